/** All rules: what they are about, on how many devices, and whether they are in force. */
import { Button, SegmentedControl, Switch, Table, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useRight } from '../../api/session';
import type { Page } from '../../api/types';
import { text, useParams, word } from '../../app/params';
import { useWords } from '../../i18n/words';
import { SeverityShape, ToneBadge } from '../../ui/badges';
import { IconPlus, IconSearch } from '../../ui/icons';
import { AppLink, useGo } from '../../ui/link';
import { PageBody, PageHeader, Panel } from '../../ui/page';
import { usePhone } from '../../ui/phone';
import { EmptyState, LoadingState, ProblemState, useProblemText } from '../../ui/states';
import { found, type Rule } from './types';

export const rulesQuery = queryOptions({
  queryKey: ['alarm-rules'],
  queryFn: async () => (await api.get<Page<Rule>>('/alarm-rules')).items,
});

const PARAMS = { q: text(), source: word(['', 'shipped', 'own'], '') };

/** Puts a rule into force, or out of it. */
export function useEnable() {
  const client = useQueryClient();
  const problemText = useProblemText();
  return useMutation({
    mutationFn: ({ id, enabled }: { id: string; enabled: boolean }) =>
      api.put(`/alarm-rules/${encodeURIComponent(id)}/enabled`, { enabled }),
    onError: (error) => notifications.show({ message: problemText(error), color: 'red' }),
    onSettled: (_answer, _error, { id }) => {
      void client.invalidateQueries({ queryKey: ['alarm-rules'] });
      void client.invalidateQueries({ queryKey: ['alarm-rule', id] });
    },
  });
}

function RuleRow({ rule, mayChange }: { rule: Rule; mayChange: boolean }) {
  const { t } = useTranslation('rules');
  const words = useWords();
  const enable = useEnable();
  const isPhone = usePhone();
  const name = words.name(rule.name, rule.id);
  return (
    <Table.Tr>
      <Table.Td>
        <SeverityShape severity={rule.severity} /> <AppLink to={`/rules/${rule.id}`}>{name}</AppLink>
        <div className="k-dim" style={{ fontSize: 'var(--mantine-font-size-xs)' }}>
          {rule.id}
        </div>
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <ToneBadge tone={rule.source === 'own' ? 'calm' : 'off'}>{t(rule.source)}</ToneBadge>
      </Table.Td>
      <Table.Td className="k-num">{t('devices', { count: rule.matches })}</Table.Td>
      <Table.Td className="k-num">
        {rule.open > 0 ? (
          <AppLink to="/alarms" search={{ rule: rule.id }}>
            {rule.open}
          </AppLink>
        ) : (
          <span className="k-dim">0</span>
        )}
      </Table.Td>
      <Table.Td className="k-num" visibleFrom="sm">
        {rule.revision}
      </Table.Td>
      <Table.Td>
        <Switch
          size="xs"
          checked={rule.enabled}
          disabled={!mayChange || enable.isPending}
          label={isPhone ? null : t(rule.enabled ? 'enabled' : 'disabled')}
          aria-label={`${t(rule.enabled ? 'disable' : 'enable')}: ${name}`}
          onChange={(event) => enable.mutate({ id: rule.id, enabled: event.currentTarget.checked })}
        />
      </Table.Td>
    </Table.Tr>
  );
}

export default function RulesPage() {
  const { t } = useTranslation('rules');
  const go = useGo();
  const mayChange = useRight('configure');
  const [params, setParams] = useParams(PARAMS);
  const { data, error, refetch } = useQuery(rulesQuery);
  const rules = found(data ?? [], params.q, params.source);
  return (
    <PageBody>
      <PageHeader
        title={t('title')}
        description={t('subtitle')}
        actions={
          mayChange && (
            <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => go('/rules/new')}>
              {t('new')}
            </Button>
          )
        }
      />
      <div style={{ display: 'flex', gap: 8, flexWrap: 'wrap' }}>
        <SegmentedControl
          size="xs"
          data={[
            { value: '', label: t('all') },
            { value: 'shipped', label: t('shipped') },
            { value: 'own', label: t('own') },
          ]}
          value={params.source}
          onChange={(source) => setParams({ source: source as '' | Rule['source'] })}
        />
        <TextInput
          size="xs"
          type="search"
          style={{ flex: '1 1 10rem', maxWidth: 320 }}
          aria-label={t('search')}
          placeholder={t('search')}
          leftSection={<IconSearch size={14} />}
          value={params.q}
          onChange={(event) => setParams({ q: event.currentTarget.value })}
        />
      </div>
      <Panel flush>
        {error && !data && <ProblemState error={error} retry={() => void refetch()} />}
        {!data && !error && <LoadingState rows={8} />}
        {data && rules.length === 0 && <EmptyState title={t(data.length > 0 ? 'emptyFiltered' : 'empty')} />}
        {rules.length > 0 && (
          <Table.ScrollContainer minWidth={0}>
            <Table highlightOnHover>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t('column.name')}</Table.Th>
                  <Table.Th visibleFrom="sm">{t('column.source')}</Table.Th>
                  <Table.Th>{t('column.matches')}</Table.Th>
                  <Table.Th>{t('column.open')}</Table.Th>
                  <Table.Th visibleFrom="sm">{t('column.revision')}</Table.Th>
                  <Table.Th>{t('column.enabled')}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {rules.map((rule) => (
                  <RuleRow key={rule.id} rule={rule} mayChange={mayChange} />
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </Panel>
    </PageBody>
  );
}
