/** The figures that matter most, as large as they can be. */
import { useTranslation } from 'react-i18next';
import { troubled, unobserved, worstLevel } from '../../api/standing';
import type { Overview, Severity } from '../../api/types';
import { useWords } from '../../i18n/words';
import { LevelShape, SEVERITIES, SeverityShape } from '../../ui/badges';
import { worstFirst } from '../map/order';
import classes from './wall.module.css';

/** Lines that fit; silent agents have at most two of them. */
const WORST_SHOWN = 6;
const SILENT_SHOWN = 2;

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
  const unknown = unobserved(by_level);
  const silent = overview.agents.filter((agent) => !agent.online);
  const worst = [...overview.sites]
    .sort(worstFirst)
    .filter((row) => row.worst_severity || troubled(row.by_level) > 0 || unobserved(row.by_level) > 0);
  const silentShown = silent.slice(0, SILENT_SHOWN);
  const room = WORST_SHOWN - silentShown.length;
  // The line that says how many more there are takes the place of one of them.
  const worstShown = worst.slice(0, worst.length > room ? room - 1 : room);
  const left = worst.length - worstShown.length;
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
        <Figure
          tone={unknown > 0 ? 'warn' : 'off'}
          value={unknown}
          label={t('unobserved')}
          shape={<LevelShape level="unknown" size={40} />}
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
        {silentShown.map((agent) => (
          <li key={agent.agent} data-tone="bad">
            <LevelShape level="unreachable" size={30} />
            <b>{agent.agent}</b>
            <span>{t('agentSilent')}</span>
            {agent === silentShown.at(-1) && silent.length > silentShown.length && (
              <span>{t('moreSilent', { count: silent.length - silentShown.length })}</span>
            )}
          </li>
        ))}
        {worstShown.map((row) => (
          <li key={row.site}>
            {row.worst_severity ? (
              <SeverityShape severity={row.worst_severity} size={30} />
            ) : (
              <LevelShape level={worstLevel([row])} size={30} />
            )}
            <b>{name(row.site)}</b>
            <span>
              {troubled(row.by_level) > 0 || row.open_alarms > 0
                ? t('siteTrouble', { devices: troubled(row.by_level), alarms: row.open_alarms })
                : t('unobservedShort', { count: unobserved(row.by_level) })}
            </span>
          </li>
        ))}
        {left > 0 && (
          <li>
            <span>{t('moreSites', { count: left })}</span>
          </li>
        )}
        {worst.length === 0 && silent.length === 0 && unknown === 0 && (
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
    <section
      className={classes['figure']}
      data-tone={tone}
      style={{ '--digits': String(value).length } as React.CSSProperties}
    >
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
