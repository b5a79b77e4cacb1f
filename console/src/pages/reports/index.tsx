/** Figures of a day, a month or a year: how far devices could be used, and how fast people answered. */
import { ActionIcon, Group, SegmentedControl } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { text, useParams, word } from '../../app/params';
import { useSite } from '../../app/site';
import { IconLeft, IconRight } from '../../ui/icons';
import { serverNow } from '../../ui/now';
import { PageBody, PageHeader } from '../../ui/page';
import { localText } from '../../ui/time';
import { useZone } from '../../ui/zone';
import { AlarmReport } from './alarm-report';
import { Availability } from './availability';
import { bounds, isPeriod, moved, PERIODS, type Period, periodOf } from './period';
import { PeriodField } from './period-field';

const PARAMS = {
  tab: word(['availability', 'alarms'], 'availability'),
  period: word(PERIODS, 'day'),
  at: text(),
  by: word(['site', 'class', 'area', 'device'], 'site'),
};

export default function ReportsPage() {
  const { t } = useTranslation('reports');
  const [site] = useSite();
  const zone = useZone(site);
  const [params, setParams] = useParams(PARAMS);
  const { period } = params;
  const present = periodOf(period, localText(serverNow(), zone));
  const at = isPeriod(period, params.at) ? params.at : present;
  const [from, to] = bounds(period, at);
  const go = (next: string) => setParams({ at: next === present ? '' : next });
  return (
    <PageBody>
      <PageHeader title={t('title')} description={t('subtitle')} />
      <Group gap="xs">
        <SegmentedControl
          size="xs"
          data={(['availability', 'alarms'] as const).map((value) => ({ value, label: t(`tab.${value}`) }))}
          value={params.tab}
          onChange={(tab) => setParams({ tab: tab as typeof params.tab }, { push: true })}
        />
        <SegmentedControl
          size="xs"
          data={PERIODS.map((value) => ({ value, label: t(`period.${value}`) }))}
          value={period}
          onChange={(value) => {
            const next = value as Period;
            const full = `${at}-01-01`.slice(0, 10);
            const kept = at === present ? '' : periodOf(next, full);
            setParams({ period: next, at: kept });
          }}
        />
        <Group gap={4} wrap="nowrap">
          <ActionIcon variant="default" aria-label={t('previous')} onClick={() => go(moved(period, at, -1))}>
            <IconLeft size={15} />
          </ActionIcon>
          <PeriodField period={period} at={at} present={present} onChange={go} />
          <ActionIcon
            variant="default"
            aria-label={t('next')}
            disabled={at >= present}
            onClick={() => go(moved(period, at, 1))}
          >
            <IconRight size={15} />
          </ActionIcon>
        </Group>
      </Group>
      {params.tab === 'availability' ? (
        <Availability
          site={site}
          zone={zone}
          period={period}
          at={at}
          by={params.by}
          onBy={(by) => setParams({ by })}
        />
      ) : (
        <AlarmReport site={site} zone={zone} from={from} to={to} at={at} />
      )}
    </PageBody>
  );
}
