/** One rule: its text, checked as it is typed, and what it would have said in the past. */
import { Button, Switch, Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useParams as useRouteParams } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, Problem } from '../../api/client';
import { useRight } from '../../api/session';
import { useWords } from '../../i18n/words';
import { SeverityBadge, ToneBadge } from '../../ui/badges';
import { ConfirmDialog } from '../../ui/confirm';
import { IconLeft, IconTrash } from '../../ui/icons';
import { AppLink, useGo } from '../../ui/link';
import { PageBody, PageHeader, Panel } from '../../ui/page';
import { LoadingState, ProblemState, useProblemText } from '../../ui/states';
import { useEnable } from '../rules';
import type { Rule, RuleProblem } from '../rules/types';
import { Changes } from './changes';
import { DryRun } from './dry-run';
import { Editor } from './editor';
import classes from './editor.module.css';
import { TEMPLATE } from './template';

function RuleForm({ rule, reload }: { rule: Rule | null; reload: () => void }) {
  const { t } = useTranslation('rules');
  const words = useWords();
  const go = useGo();
  const client = useQueryClient();
  const problemText = useProblemText();
  const mayChange = useRight('configure');
  const mayAudit = useRight('audit');
  const enable = useEnable();
  const start = rule?.toml ?? TEMPLATE;
  const [text, setText] = useState(start);
  const [settled] = useDebouncedValue(text, 400);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const [isDeleting, setDeleting] = useState(false);
  const check = useQuery({
    queryKey: ['alarm-rule-check', settled],
    queryFn: () => api.post<{ problems: RuleProblem[] }>('/alarm-rules/check', { toml: settled }),
    gcTime: 60_000,
    staleTime: 60_000,
    enabled: mayChange,
  });
  const isChecked = settled === text && check.data !== undefined;
  const problems = isChecked ? (check.data?.problems ?? []) : [];
  const isChanged = text !== start;
  const isFine = isChecked && problems.length === 0;
  const save = async () => {
    setBusy(true);
    setProblem(null);
    try {
      const saved = rule
        ? await api.put<Rule>(`/alarm-rules/${encodeURIComponent(rule.id)}`, {
            toml: text,
            revision: rule.revision,
          })
        : await api.post<Rule>('/alarm-rules', { toml: text });
      notifications.show({
        title: t('saved', { revision: saved.revision }),
        message: t('savedText'),
        color: 'teal',
      });
      void client.invalidateQueries({ queryKey: ['alarm-rules'] });
      client.setQueryData(['alarm-rule', saved.id], saved);
      if (!rule) go(`/rules/${saved.id}`);
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  const name = rule ? words.name(rule.name, rule.id) : t('newTitle');
  const status = !isChecked ? t('checking') : isFine ? t('fine') : t('problems', { count: problems.length });
  return (
    <PageBody>
      <AppLink to="/rules" className="k-link">
        <IconLeft size={14} /> {t('back')}
      </AppLink>
      <PageHeader
        title={name}
        aside={
          rule && (
            <>
              <SeverityBadge severity={rule.severity} />
              <ToneBadge tone={rule.source === 'own' ? 'calm' : 'off'}>{t(rule.source)}</ToneBadge>
              <span className="k-dim">{t('revisionOf', { revision: rule.revision })}</span>
              <AppLink to="/alarms" search={{ rule: rule.id }}>
                {t('openAlarms')} ({rule.open})
              </AppLink>
            </>
          )
        }
        description={
          rule ? `${rule.id} · ${t('column.matches')} ${t('devices', { count: rule.matches })}` : undefined
        }
        actions={
          rule && (
            <>
              <Switch
                size="sm"
                checked={rule.enabled}
                disabled={!mayChange || enable.isPending}
                label={t(rule.enabled ? 'enabled' : 'disabled')}
                title={t('enableText')}
                onChange={(event) => enable.mutate({ id: rule.id, enabled: event.currentTarget.checked })}
              />
              {mayChange && rule.source === 'own' && (
                <Button
                  size="xs"
                  variant="default"
                  color="red"
                  leftSection={<IconTrash size={14} />}
                  onClick={() => setDeleting(true)}
                >
                  {t(rule.has_shipped ? 'restore' : 'delete')}
                </Button>
              )}
            </>
          )
        }
      />
      {!mayChange && <Text c="dimmed">{t('readOnly')}</Text>}
      <div className={classes.columns}>
        <Panel
          title={t('editor')}
          aside={
            mayChange && (
              <span aria-live="polite">
                <ToneBadge tone={!isChecked ? 'off' : isFine ? 'ok' : 'bad'}>{status}</ToneBadge>
              </span>
            )
          }
        >
          <Editor text={text} problems={problems} readOnly={!mayChange} onChange={setText} />
          {problem !== null && (
            <Text size="sm" c="var(--k-bad)" role="alert" mt="xs">
              {problem instanceof Problem && problem.status === 409
                ? `${t('conflict')} ${t('conflictText')} `
                : problemText(problem)}
              {problem instanceof Problem && problem.status === 409 && (
                <Button size="compact-xs" variant="subtle" onClick={reload}>
                  {t('reload')}
                </Button>
              )}
            </Text>
          )}
          {mayChange && (
            <div style={{ display: 'flex', gap: 8, marginTop: 12, alignItems: 'center', flexWrap: 'wrap' }}>
              <Button
                size="xs"
                disabled={!isFine || (rule !== null && !isChanged)}
                loading={busy}
                onClick={() => void save()}
              >
                {t(rule ? 'save' : 'create')}
              </Button>
              <Button
                size="xs"
                variant="default"
                disabled={!isChanged || busy}
                onClick={() => setText(start)}
              >
                {t('revert')}
              </Button>
              {isChanged && <span className="k-dim">{t('unsaved')}</span>}
            </div>
          )}
        </Panel>
        <div className={classes.column}>
          {mayChange && <DryRun toml={text} disabled={!isFine} />}
          {rule && mayAudit && <Changes id={rule.id} />}
        </div>
      </div>
      {rule && (
        <ConfirmDialog
          opened={isDeleting}
          danger
          title={t(rule.has_shipped ? 'restoreTitle' : 'deleteTitle', { name })}
          confirm={t(rule.has_shipped ? 'restore' : 'delete')}
          onClose={() => setDeleting(false)}
          onConfirm={async () => {
            await api.delete(`/alarm-rules/${encodeURIComponent(rule.id)}`);
            void client.invalidateQueries({ queryKey: ['alarm-rules'] });
            client.removeQueries({ queryKey: ['alarm-rule', rule.id] });
            go('/rules');
          }}
        >
          <Text size="sm">{t(rule.has_shipped ? 'restoreText' : 'deleteText')}</Text>
        </ConfirmDialog>
      )}
    </PageBody>
  );
}

export default function RulePage() {
  const { id = '' } = useRouteParams({ strict: false }) as { id?: string };
  const isNew = id === 'new';
  const { data, error, refetch } = useQuery({
    queryKey: ['alarm-rule', id],
    queryFn: () => api.get<Rule>(`/alarm-rules/${encodeURIComponent(id)}`),
    enabled: !isNew,
    // A change that somebody else makes must not take away what is being written here.
    refetchOnWindowFocus: false,
  });
  if (isNew) return <RuleForm key="new" rule={null} reload={() => {}} />;
  if (error && !data) return <ProblemState error={error} retry={() => void refetch()} />;
  if (!data) return <LoadingState rows={12} />;
  return <RuleForm key={`${data.id} ${data.revision}`} rule={data} reload={() => void refetch()} />;
}
