/** The figures that matter most, as large as they can be. */
import { useTranslation } from 'react-i18next';
import type { Overview, Severity } from '../../api/types';
import { useWords } from '../../i18n/words';
import { LevelShape, SEVERITIES, SeverityShape } from '../../ui/badges';
import { troubled, worstFirst } from '../map/order';
import classes from './wall.module.css';

const WORST_SHOWN = 6;

function openOf(overview: Overview, severity: Severity): number {
  return overview.alarms?.by_severity?.[severity]?.open ?? 0;
}

export function TotalsView({ overview, name }: { overview: Overview; name: (site: string) => string }) {
  const { t } = useTranslation('wall');
  const words = useWords();
  const { total, by_level } = overview.devices;
  const working = by_level.working ?? 0;
  const unreachable = by_level.unreachable ?? 0;
  const half = (by_level.reachable ?? 0) + (by_level.answering ?? 0);
  const silent = overview.agents.filter((agent) => !agent.online);
  const worst = [...overview.sites].sort(worstFirst).filter((row) => row.worst_severity || troubled(row) > 0);
  return (
    <div className={classes['totals']}>
      <div className={classes['figures']}>
        <Figure
          tone="ok"
          value={working}
          label={words.health('working')}
          of={total}
          shape={<LevelShape level="working" size={40} />}
        />
        <Figure
          tone={unreachable > 0 ? 'bad' : 'off'}
          value={unreachable}
          label={words.health('unreachable')}
          shape={<LevelShape level="unreachable" size={40} />}
        />
        <Figure
          tone={half > 0 ? 'warn' : 'off'}
          value={half}
          label={t('impaired')}
          shape={<LevelShape level="answering" size={40} />}
        />
        {SEVERITIES.slice(0, 3).map((severity) => (
          <Figure
            key={severity}
            tone={
              openOf(overview, severity) === 0
                ? 'off'
                : severity === 'critical'
                  ? 'bad'
                  : severity === 'major'
                    ? 'serious'
                    : 'warn'
            }
            value={openOf(overview, severity)}
            label={t('openAlarms', { severity: words.severity(severity) })}
            shape={<SeverityShape severity={severity} size={40} />}
          />
        ))}
      </div>
      <ol className={classes['worst']} aria-label={t('worst')}>
        {silent.slice(0, 2).map((agent) => (
          <li key={agent.agent} data-tone="bad">
            <LevelShape level="unreachable" size={30} />
            <b>{agent.agent}</b>
            <span>{t('agentSilent')}</span>
          </li>
        ))}
        {worst.slice(0, WORST_SHOWN - Math.min(2, silent.length)).map((row) => (
          <li key={row.site}>
            {row.worst_severity ? (
              <SeverityShape severity={row.worst_severity} size={30} />
            ) : (
              <LevelShape level="unreachable" size={30} />
            )}
            <b>{name(row.site)}</b>
            <span>{t('siteTrouble', { devices: troubled(row), alarms: row.open_alarms })}</span>
          </li>
        ))}
        {worst.length === 0 && silent.length === 0 && (
          <li>
            <LevelShape level="working" size={30} />
            <b>{t('allWell')}</b>
          </li>
        )}
      </ol>
    </div>
  );
}

interface FigureProps {
  tone: string;
  value: number;
  label: string;
  of?: number;
  shape: React.ReactNode;
}

function Figure({ tone, value, label, of, shape }: FigureProps) {
  return (
    <section className={classes['figure']} data-tone={tone}>
      <div>
        {shape} {label}
      </div>
      <strong>
        {value}
        {of !== undefined && <small> / {of}</small>}
      </strong>
    </section>
  );
}
