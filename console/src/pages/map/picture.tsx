/** The map: sites at their coordinates on a grid of degrees. No server of map tiles is asked. */
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { worstLevel } from '../../api/standing';
import type { HealthLevel, Site } from '../../api/types';
import { LEVEL_TONES } from '../../ui/badges';
import { PanZoom, type Size, type View } from '../../ui/pan-zoom';
import { EmptyState } from '../../ui/states';
import { boxOf, cluster, metresPerUnit, type Place, project, roundLength, unproject } from './geo';
import classes from './map.module.css';
import type { SiteSummary } from './order';

/** The least extent that is shown, about three kilometres. */
const LEAST_EXTENT = 80;
const CLOSE_PX = 46;
const GRID_PX = 150;

interface SiteMapProps {
  rows: readonly SiteSummary[];
  sites: ReadonlyMap<string, Site>;
  name: (id: string) => string;
  chosen: string;
  onChoose: (site: string) => void;
}

export function SiteMap({ rows, sites, name, chosen, onChoose }: SiteMapProps) {
  const { t } = useTranslation('map');
  const places = useMemo(() => {
    const found: Place[] = [];
    for (const row of rows) {
      const { lon, lat } = sites.get(row.site) ?? {};
      if (typeof lon === 'number' && typeof lat === 'number')
        found.push({ id: row.site, ...project(lon, lat) });
    }
    return found;
  }, [rows, sites]);
  // Sites in far cities must not make everything else a single dot: at first the densest part is shown.
  const box = useMemo(() => boxOf(densest(places), LEAST_EXTENT), [places]);
  const bySite = useMemo(() => new Map(rows.map((row) => [row.site, row])), [rows]);
  if (places.length === 0) return <EmptyState title={t('noPlaces.title')} text={t('noPlaces.text')} />;
  return (
    <PanZoom label={t('title')} box={box} fitKey={`${places.length}`} least={0.0005} most={60}>
      {(view, screen) => (
        <>
          <svg className={classes['map']} width={screen.width} height={screen.height} aria-hidden="true">
            <Grid view={view} screen={screen} />
          </svg>
          {cluster(places, view.scale, CLOSE_PX).map((group) => {
            const members = group.ids.flatMap((id) => bySite.get(id) ?? []);
            const level = worstLevel(members);
            const count = members.reduce((sum, row) => sum + row.total, 0);
            const first = group.ids[0] ?? '';
            const label = group.ids.length > 1 ? t('several', { count: group.ids.length }) : name(first);
            return (
              <button
                key={group.ids.join(' ')}
                type="button"
                className={classes['site']}
                data-tone={LEVEL_TONES[level]}
                aria-pressed={group.ids.includes(chosen)}
                style={{ left: group.x * view.scale + view.x, top: group.y * view.scale + view.y }}
                title={group.ids.map(name).join('\n')}
                onClick={() => onChoose(group.ids.includes(chosen) ? next(group.ids, chosen) : first)}
              >
                <svg width="30" height="30" viewBox="-15 -15 30 30" aria-hidden="true">
                  <Marker level={level} />
                  <text className={classes['count']} textAnchor="middle" y="4">
                    {group.ids.length > 1 ? group.ids.length : ''}
                  </text>
                </svg>
                <span className={classes['label']}>
                  {label}
                  <small className="k-num"> {count}</small>
                </span>
              </button>
            );
          })}
        </>
      )}
    </PanZoom>
  );
}

/** After the last of a group comes its first again. */
function next(ids: readonly string[], current: string): string {
  return ids[(ids.indexOf(current) + 1) % ids.length] ?? current;
}

/** The places around the one that has most others nearby; all of them if they lie within one region. */
export function densest(places: readonly Place[]): readonly Place[] {
  const near = (center: Place) =>
    places.filter((other) => Math.hypot(other.x - center.x, other.y - center.y) < 1500);
  let best: readonly Place[] = [];
  for (const place of places) {
    const group = near(place);
    if (group.length > best.length) best = group;
  }
  return best;
}

/** A shape for each level, so that colour is not the only sign. */
function Marker({ level }: { level: HealthLevel }) {
  if (level === 'unreachable') return <path className={classes['mark']} d="M0-14 14 0 0 14-14 0z" />;
  if (level === 'reachable') return <path className={classes['mark']} d="M0-13 14 11H-14z" />;
  if (level === 'answering') return <path className={classes['mark']} d="M-11-11h22v22h-22z" />;
  return (
    <circle className={classes['mark']} r="11.5" strokeDasharray={level === 'unknown' ? '4 3' : undefined} />
  );
}

/** Lines of round degrees with their numbers, and a scale. */
function Grid({ view, screen }: { view: View; screen: Size }) {
  const at = (x: number, y: number) =>
    unproject({ x: (x - view.x) / view.scale, y: (y - view.y) / view.scale });
  const topLeft = at(0, 0);
  const bottomRight = at(screen.width, screen.height);
  const step = roundLength(((bottomRight.longitude - topLeft.longitude) / screen.width) * GRID_PX);
  const decimals = Math.max(0, Math.ceil(-Math.log10(step)));
  const lines = (from: number, to: number) => {
    const found: number[] = [];
    for (let n = Math.ceil(from / step); n * step <= to && found.length < 60; n += 1) found.push(n * step);
    return found;
  };
  const screenOf = (longitude: number, latitude: number) => {
    const point = project(longitude, latitude);
    return { x: point.x * view.scale + view.x, y: point.y * view.scale + view.y };
  };
  const metres = metresPerUnit(at(0, screen.height / 2).latitude) / view.scale;
  const length = roundLength(120 * metres);
  const width = length / metres;
  return (
    <g className={classes['grid']}>
      {lines(topLeft.longitude, bottomRight.longitude).map((longitude) => {
        const { x } = screenOf(longitude, topLeft.latitude);
        return (
          <g key={`lon ${longitude}`}>
            <path d={`M${x} 0V${screen.height}`} />
            <text x={x + 4} y={14}>
              {longitude.toFixed(decimals)}°E
            </text>
          </g>
        );
      })}
      {lines(bottomRight.latitude, topLeft.latitude).map((latitude) => {
        const { y } = screenOf(topLeft.longitude, latitude);
        return (
          <g key={`lat ${latitude}`}>
            <path d={`M0 ${y}H${screen.width}`} />
            <text x={4} y={y - 4}>
              {latitude.toFixed(decimals)}°N
            </text>
          </g>
        );
      })}
      <g className={classes['scale']} transform={`translate(12 ${screen.height - 16})`}>
        <path d={`M0-5V0H${width}V-5`} />
        <text x={width + 6} y={1}>
          {length >= 1000 ? `${length / 1000} km` : `${length} m`}
        </text>
      </g>
    </g>
  );
}
