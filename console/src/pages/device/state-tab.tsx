/** Points with their latest values, what the device is, and how available it was. */
import { Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useIsStale } from '../../api/live';
import type { DeviceDetail, Point } from '../../api/types';
import { useWords } from '../../i18n/words';
import { ToneBadge } from '../../ui/badges';
import { Facts } from '../../ui/facts';
import { AppLink } from '../../ui/link';
import { Panel } from '../../ui/page';
import { EmptyState } from '../../ui/states';
import { Age } from '../../ui/time-text';
import { ValueWithUnit } from '../../ui/value';
import { AvailabilityPanel } from './availability-panel';
import classes from './device.module.css';

const NUMBERS = ['measurement', 'counter'];

interface StateTabProps {
  device: DeviceDetail;
  onChart: (point: string) => void;
}

export function StateTab({ device, onChart }: StateTabProps) {
  const { t } = useTranslation('device');
  const numbers = device.points.filter((point) => NUMBERS.includes(point.kind));
  const states = device.points.filter((point) => !NUMBERS.includes(point.kind));
  return (
    <div className={classes['columns']}>
      {device.points.length === 0 && (
        <Panel>
          <EmptyState title={t('noPoints')} text={t('noPointsText')} />
        </Panel>
      )}
      {numbers.length > 0 && (
        <PointsPanel title={t('numbers')} points={numbers} device={device} onChart={onChart} />
      )}
      {states.length > 0 && (
        <PointsPanel title={t('states')} points={states} device={device} onChart={onChart} />
      )}
      <div className={classes['side']}>
        <AvailabilityPanel device={device} />
        <IdentityPanel device={device} />
      </div>
    </div>
  );
}

interface PointsPanelProps extends StateTabProps {
  title: string;
  points: readonly Point[];
}

function PointsPanel({ title, points, device, onChart }: PointsPanelProps) {
  const { t } = useTranslation('device');
  return (
    <Panel title={title} flush>
      <table className={classes['points']}>
        <thead className="k-hidden">
          <tr>
            <th>{t('point')}</th>
            <th>{t('value')}</th>
            <th>{t('age')}</th>
          </tr>
        </thead>
        <tbody>
          {points.map((point) => (
            <PointRow key={point.point} point={point} site={device.site} onChart={onChart} />
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function PointRow({
  point,
  site,
  onChart,
}: {
  point: Point;
  site: string;
  onChart: (point: string) => void;
}) {
  const { t } = useTranslation('device');
  const words = useWords();
  const isDown = useIsStale();
  const isOld = isDown || point.stale;
  const name = words.point(point.point);
  return (
    <tr data-old={isOld || undefined}>
      <th scope="row">
        <Tooltip label={t('chartOf', { point: point.point })}>
          <button type="button" className={classes['pointName']} onClick={() => onChart(point.point)}>
            {name}
          </button>
        </Tooltip>
      </th>
      <td className={classes['pointValue']}>
        <ValueWithUnit value={point.value} unit={point.unit} decimals={point.decimals} />
      </td>
      <td className={classes['pointAge']}>
        {point.quality && point.quality !== 'good' && (
          <Tooltip label={point.reason ? words.reason(String(point.reason)) : ''} disabled={!point.reason}>
            <span>
              <ToneBadge tone={point.quality === 'bad' ? 'bad' : 'warn'}>
                {t(`quality.${point.quality}`)}
              </ToneBadge>
            </span>
          </Tooltip>
        )}
        {point.quality === null && <span className="k-dim">{t('neverRead')}</span>}
        {isOld && point.quality !== null && <ToneBadge tone="off">{t('old')}</ToneBadge>}
        <span className="k-dim">
          <Age ms={point.time_ms} site={site} />
        </span>
      </td>
    </tr>
  );
}

function IdentityPanel({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation('device');
  return (
    <Panel title={t('identity')}>
      <Facts
        facts={[
          { label: t('id'), value: <code>{device.id}</code> },
          { label: t('profile'), value: device.profile || '—' },
          { label: t('agent'), value: device.agent },
          { label: t('key'), value: device.key },
          { label: t('link'), value: device.link || '—' },
          { label: t('configured'), value: t(device.configured ? 'yes' : 'no') },
          {
            label: t('asset'),
            value: device.asset ? (
              <AppLink to={`/assets/${encodeURIComponent(device.asset)}`}>{device.asset}</AppLink>
            ) : (
              t('noAsset')
            ),
          },
          { label: t('bound'), value: t(device.bound ? 'yes' : 'no') },
        ]}
      />
    </Panel>
  );
}
