/** A floor plan: the picture, and every device of the area at its place with the sign of its health. */
import { type PointerEvent as ReactPointerEvent, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { apiAddress } from '../../api/client';
import { useIsStale } from '../../api/live';
import { useWords } from '../../i18n/words';
import { LEVEL_TONES } from '../../ui/badges';
import { useGo } from '../../ui/link';
import { PanZoom } from '../../ui/pan-zoom';
import { isCurrent, levelOf } from '../assets/data';
import type { Asset, Position, TopologyNode } from '../assets/types';
import { Mark } from '../topology/mark';
import classes from './plans.module.css';
import { clampShare, closest, move, place, remove } from './positions';

/** Room that a name needs. */
const ROOM_PX = 90;

interface PlanProps {
  area: string;
  version: number;
  name: string;
  positions: readonly Position[];
  assets: readonly Asset[];
  nodes: ReadonlyMap<string, TopologyNode>;
  /** Takes the new positions; `null` while they are only looked at. */
  onMove: ((positions: Position[]) => void) | null;
}

export function Plan({ area, version, name, positions, assets, nodes, onMove }: PlanProps) {
  const { t } = useTranslation('plans');
  const words = useWords();
  const go = useGo();
  const isStale = useIsStale();
  const [size, setSize] = useState<{ width: number; height: number } | null>(null);
  const dragged = useRef<string | null>(null);
  const byId = useMemo(() => new Map(assets.map((asset) => [asset.id, asset])), [assets]);
  const box = { x: 0, y: 0, ...(size ?? { width: 1, height: 1 }) };
  const address = apiAddress(`/areas/${encodeURIComponent(area)}/plan`, { version });
  const shortest = useMemo(() => closest(positions, size?.width ?? 1, size?.height ?? 1), [positions, size]);
  const unplaced = assets.filter((asset) => !positions.some((position) => position.asset === asset.id));
  const label = (asset: string) => nodes.get(asset)?.label ?? byId.get(asset)?.name ?? asset;

  return (
    <div className={classes['planFrame']}>
      {/* The size of the picture is known only once it is there. */}
      <img
        className={classes['probe']}
        src={address}
        alt=""
        onLoad={(event) =>
          setSize({ width: event.currentTarget.naturalWidth, height: event.currentTarget.naturalHeight })
        }
      />
      {size && (
        <PanZoom label={name} box={box} fitKey={area} most={6}>
          {(view) => (
            <div
              className={classes['sheet']}
              data-old={isStale || undefined}
              data-crowded={shortest * view.scale < ROOM_PX || undefined}
              style={{
                width: size.width,
                height: size.height,
                transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})`,
              }}
            >
              <img src={address} alt={t('planOf', { name })} draggable={false} />
              {positions.map((position) => {
                const node = nodes.get(position.asset);
                const level = node ? levelOf(node) : 'unknown';
                const drag = (event: ReactPointerEvent<HTMLButtonElement>) => {
                  if (!onMove || dragged.current !== position.asset) return;
                  event.stopPropagation();
                  const sheet = event.currentTarget.parentElement?.getBoundingClientRect();
                  if (!sheet) return;
                  const x = clampShare((event.clientX - sheet.left) / sheet.width);
                  const y = clampShare((event.clientY - sheet.top) / sheet.height);
                  onMove(place(positions, { asset: position.asset, x, y }));
                };
                return (
                  <button
                    key={position.asset}
                    type="button"
                    className={classes['device']}
                    data-tone={LEVEL_TONES[level]}
                    data-old={(node && !isCurrent(node)) || undefined}
                    data-moving={onMove !== null || undefined}
                    style={{
                      left: `${position.x * 100}%`,
                      top: `${position.y * 100}%`,
                      // The sign keeps its size on the screen however far the plan is zoomed.
                      transform: `translate(-50%, -50%) scale(${1 / view.scale})`,
                    }}
                    title={`${label(position.asset)} · ${words.health(level)}`}
                    aria-label={`${label(position.asset)}, ${words.health(level)}`}
                    onPointerDown={(event) => {
                      if (!onMove) return;
                      event.stopPropagation();
                      event.currentTarget.setPointerCapture(event.pointerId);
                      dragged.current = position.asset;
                    }}
                    onPointerMove={drag}
                    onPointerUp={() => {
                      dragged.current = null;
                    }}
                    onKeyDown={(event) => {
                      if (!onMove) return;
                      const next =
                        event.key === 'Delete'
                          ? remove(positions, position.asset)
                          : move(positions, position, event.key);
                      if (!next) return;
                      event.preventDefault();
                      onMove(next);
                    }}
                    onClick={() => {
                      if (!onMove) go(node?.device ? `/devices/${node.device}` : `/assets/${position.asset}`);
                    }}
                  >
                    <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
                      <Mark level={level} />
                    </svg>
                    {node && node.alarms > 0 && <span className={classes['alarms']}>{node.alarms}</span>}
                    <span className={classes['deviceName']}>{label(position.asset)}</span>
                  </button>
                );
              })}
            </div>
          )}
        </PanZoom>
      )}
      {onMove && (
        <aside className={classes['unplaced']} aria-label={t('unplaced', { count: unplaced.length })}>
          <strong>{t('unplaced', { count: unplaced.length })}</strong>
          <p className="k-dim">{t('unplacedText')}</p>
          <ul>
            {unplaced.map((asset) => (
              <li key={asset.id}>
                <button
                  type="button"
                  className={classes['put']}
                  onClick={() => onMove(place(positions, { asset: asset.id, x: 0.5, y: 0.5 }))}
                >
                  + {asset.name}
                </button>
              </li>
            ))}
          </ul>
        </aside>
      )}
    </div>
  );
}
