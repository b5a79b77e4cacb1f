import { useTranslation } from 'react-i18next';
import { useWords } from '../../i18n/words';
import { Facts } from '../../ui/facts';
import { AppLink } from '../../ui/link';
import { Panel } from '../../ui/page';
import { SiteName } from '../../ui/site-name';
import { DurationText, TimeText } from '../../ui/time-text';
import { ValueWithUnit } from '../../ui/value';
import type { AlarmDetail } from '../alarms/types';

interface ByProps {
  ms: number | null;
  by: string | null;
  site: string;
}

function By({ ms, by, site }: ByProps) {
  const { t } = useTranslation('alarm');
  if (ms === null) return <span className="k-dim">{t('notYet')}</span>;
  return (
    <>
      <TimeText ms={ms} site={site} />
      {by && ` · ${by}`}
    </>
  );
}

export function AlarmFacts({ alarm }: { alarm: AlarmDetail }) {
  const { t } = useTranslation('alarm');
  const words = useWords();
  const { site } = alarm;
  const decimals = typeof alarm.value === 'number' && !Number.isInteger(alarm.value) ? 2 : 0;
  const device = alarm.device && (
    <AppLink to={`/devices/${alarm.device}`}>{alarm.device_label || alarm.device}</AppLink>
  );
  const rule = alarm.rule && <AppLink to={`/rules/${alarm.rule}`}>{alarm.rule}</AppLink>;
  const facts: [string, React.ReactNode][] = [
    ['device', device],
    // One on the collector itself is at no site.
    ['site', site !== '' && <SiteName key="site" id={site} />],
    ['area', alarm.area],
    ['class', alarm.class && words.class(alarm.class)],
    ['condition', words.condition(alarm.condition)],
    ['origin', t(`alarms:mark.${alarm.origin}`)],
    ['rule', rule],
    ['agent', alarm.agent],
    ['point', alarm.point && words.point(alarm.point)],
    [
      'value',
      alarm.value !== null && <ValueWithUnit value={alarm.value} unit={alarm.unit} decimals={decimals} />,
    ],
    ['raised', <TimeText key="raised" ms={alarm.raised_ms} site={site} />],
    ['lastRaised', alarm.count > 1 && <TimeText ms={alarm.last_raised_ms} site={site} />],
    ['count', alarm.count > 1 && `${alarm.count}${alarm.flapping ? ` · ${t('alarms:mark.flapping')}` : ''}`],
    ['cleared', <By key="cleared" ms={alarm.cleared_ms} by={null} site={site} />],
    [
      'acknowledged',
      <By key="acknowledged" ms={alarm.acknowledged_ms} by={alarm.acknowledged_by} site={site} />,
    ],
    ['assigned', alarm.assigned_name ?? <span className="k-dim">{t('nobody')}</span>],
    ['response', alarm.response_ms !== null && <DurationText ms={alarm.response_ms} />],
    ['repair', alarm.repair_ms !== null && <DurationText ms={alarm.repair_ms} />],
    [
      'shelved',
      alarm.shelved_until_ms !== null && (
        <>
          → <TimeText ms={alarm.shelved_until_ms} site={site} style="minute" /> · {alarm.shelved_by} ·{' '}
          {alarm.shelve_reason}
        </>
      ),
    ],
    ['closed', alarm.closed_ms !== null && <By ms={alarm.closed_ms} by={alarm.closed_by} site={site} />],
  ];
  return (
    <Panel>
      <Facts facts={facts.filter(([, value]) => value).map(([name, value]) => ({ label: t(name), value }))} />
    </Panel>
  );
}
