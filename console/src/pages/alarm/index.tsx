/** One alarm: what it is about, what was done, who was told, and what it hides. */
import { Button, Group, Text, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams as useRouteParams } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSites } from '../../api/lists';
import { useRight } from '../../api/session';
import { Pictures } from '../../evidence/pictures';
import { currentLanguage } from '../../i18n';
import { useWords } from '../../i18n/words';
import { SeverityBadge, ToneBadge } from '../../ui/badges';
import { IconLeft } from '../../ui/icons';
import { AppLink } from '../../ui/link';
import { PageBody, PageHeader, Panel } from '../../ui/page';
import { LoadingState, ProblemState } from '../../ui/states';
import { ActDialog } from '../alarms/act-dialog';
import { ResponseClock } from '../alarms/clock';
import { alarmQuery } from '../alarms/data';
import { type AlarmDetail, type Deed, inLanguage } from '../alarms/types';
import { useActing } from '../alarms/use-act';
import classes from './alarm.module.css';
import { Around } from './around';
import { AlarmFacts } from './facts';
import { Hidden } from './hidden';
import { Log } from './log';
import { Told } from './told';

/** What can be done with the alarm as it is, the most likely first. */
export function deedsFor(alarm: AlarmDetail): Deed[] {
  if (alarm.state === 'closed') return [];
  const deeds: Deed[] = alarm.acknowledged_ms === null ? ['acknowledge'] : [];
  return [...deeds, 'assign', alarm.shelved_until_ms === null ? 'shelve' : 'unshelve', 'close'];
}

function CommentForm({ busy, onSend }: { busy: boolean; onSend: (text: string) => Promise<void> }) {
  const { t } = useTranslation('alarm');
  const [text, setText] = useState('');
  const words = text.trim();
  const send = async () => {
    await onSend(words);
    setText('');
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (words && !busy) void send();
      }}
    >
      <Textarea
        aria-label={t('writeComment')}
        placeholder={t('commentHint')}
        autosize
        minRows={2}
        maxLength={500}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Group justify="flex-end" mt="xs">
        <Button type="submit" size="xs" disabled={!words} loading={busy}>
          {t('send')}
        </Button>
      </Group>
    </form>
  );
}

export default function AlarmPage() {
  const { t } = useTranslation('alarm');
  const words = useWords();
  const { id = '' } = useRouteParams({ strict: false }) as { id?: string };
  const { data: alarm, error, refetch } = useQuery(alarmQuery(id));
  const mayOperate = useRight('operate', alarm?.site);
  const site = useSites().find((each) => each.id === alarm?.site);
  const acting = useActing();
  const [asking, setAsking] = useState<Deed | null>(null);
  if (error && !alarm) return <ProblemState error={error} retry={() => void refetch()} />;
  if (!alarm) return <LoadingState rows={12} />;
  const act = (deed: Deed) => {
    if (deed === 'acknowledge' || deed === 'unshelve') void acting.run({ ids: [id], do: deed });
    else setAsking(deed);
  };
  const tone = alarm.state === 'raised' ? 'bad' : alarm.state === 'cleared' ? 'ok' : 'off';
  const siteName = words.name(site?.name, alarm.site);
  return (
    <PageBody>
      <AppLink to="/alarms" className={`k-link ${classes.back}`}>
        <IconLeft size={14} /> {t('back')}
      </AppLink>
      <PageHeader
        title={inLanguage(alarm.text, currentLanguage()) || words.condition(alarm.condition)}
        aside={
          <>
            <SeverityBadge severity={alarm.severity} old={alarm.state !== 'raised'} />
            <ToneBadge tone={tone}>{t(`alarms:state.${alarm.state}`)}</ToneBadge>
            <ResponseClock alarm={alarm} />
          </>
        }
        description={[
          alarm.device_label || alarm.agent || (alarm.site === '' && t('alarms:mark.collector')),
          siteName,
          alarm.area,
        ]
          .filter(Boolean)
          .join(' · ')}
        actions={
          mayOperate &&
          deedsFor(alarm).map((deed, at) => (
            <Button
              key={deed}
              size="xs"
              variant={at === 0 && deed === 'acknowledge' ? 'filled' : 'default'}
              loading={acting.busy && at === 0}
              onClick={() => act(deed)}
            >
              {t(`alarms:act.${deed}`)}
            </Button>
          ))
        }
      />
      {alarm.hidden_by && (
        <Text size="sm" className={classes.notice}>
          {t('explainedBy')} <AppLink to={`/alarms/${alarm.hidden_by}`}>{t('toParent')}</AppLink>
        </Text>
      )}
      <div className={classes.columns}>
        <div className={classes.column}>
          <AlarmFacts alarm={alarm} />
          {alarm.device && alarm.point && <Around alarm={alarm} />}
          {alarm.hides > 0 && <Hidden alarm={alarm} />}
          {alarm.device && (
            <Pictures subject={{ device: alarm.device, site: alarm.site, alarm: alarm.id }} ofAlarm />
          )}
        </div>
        <div className={classes.column}>
          <Panel title={t('log')}>
            {mayOperate && alarm.state !== 'closed' && (
              <CommentForm
                busy={acting.busy}
                onSend={(text) => acting.run({ ids: [id], do: 'comment', text })}
              />
            )}
            <Log alarm={alarm} />
          </Panel>
          <Told alarm={alarm} />
        </div>
      </div>
      {asking && (
        <ActDialog
          deed={asking}
          ids={[id]}
          site={alarm.site}
          run={acting.run}
          onClose={() => setAsking(null)}
        />
      )}
    </PageBody>
  );
}
