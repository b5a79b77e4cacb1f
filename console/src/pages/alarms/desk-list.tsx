/** The rows of the desk: only those in sight are drawn. */
import { Loader } from '@mantine/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type RefObject, useCallback, useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { PagedList } from '../../api/lists';
import { useIsStale } from '../../api/live';
import table from '../../ui/data-table.module.css';
import { serverNow } from '../../ui/now';
import { usePhone } from '../../ui/phone';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { AlarmRow, type AlarmRowProps } from './alarm-row';
import classes from './desk.module.css';
import { GroupRow, NoteRow } from './group-row';
import type { Row } from './rows';
import type { Group } from './search';
import type { Alarm } from './types';

/** How long an alarm that came just now is marked. */
const NEW_MS = 4000;

interface DeskListProps {
  gridRef: RefObject<HTMLDivElement | null>;
  list: PagedList<Alarm>;
  rows: Row[];
  group: Group;
  active: string | null;
  chosen: ReadonlySet<string>;
  unfolded: ReadonlySet<string>;
  onRow: (what: 'activate' | 'choose' | 'open' | 'unfold', row: Row) => void;
  empty: { title: string; text?: React.ReactNode; action?: React.ReactNode };
}

export function DeskList(props: DeskListProps) {
  const { list, rows, active, onRow } = props;
  const { t } = useTranslation('alarms');
  const isPhone = usePhone();
  const isStale = useIsStale();
  const scroller = props.gridRef;
  const heightOf = (row: Row | undefined) => (row?.kind === 'alarm' ? (isPhone ? 104 : 52) : 38);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => heightOf(rows[index]),
    getItemKey: (index) => rows[index]?.key ?? index,
    overscan: 10,
    scrollPaddingStart: isPhone ? 0 : 40,
  });
  const shape = rows.map((row) => row.kind[0]).join('');
  // biome-ignore lint/correctness/useExhaustiveDependencies: heights follow the kinds of rows and the width
  useEffect(() => virtual.measure(), [isPhone, shape]);

  const activeIndex = rows.findIndex((row) => row.key === active);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the list moves when another row is active, not with each change
  useEffect(() => {
    if (activeIndex >= 0) virtual.scrollToIndex(activeIndex, { align: 'auto' });
  }, [active]);

  const items = virtual.getVirtualItems();
  const isNearEnd = rows.length > 0 && (items.at(-1)?.index ?? 0) >= rows.length - 30;
  // biome-ignore lint/correctness/useExhaustiveDependencies: asks once for each page, not at each drawing
  useEffect(() => {
    if (isNearEnd && list.hasMore && !list.isFetchingMore) list.fetchMore();
  }, [isNearEnd, list.hasMore, list.isFetchingMore, rows.length]);

  const latest = useRef({ rows, onRow });
  useEffect(() => {
    latest.current = { rows, onRow };
  });
  const onEvent = useCallback<AlarmRowProps['onEvent']>((what, index) => {
    const row = latest.current.rows[index];
    if (row) latest.current.onRow(what, row);
  }, []);

  if (list.error && rows.length === 0) return <ProblemState error={list.error} retry={list.retry} />;
  const now = serverNow();
  const shown = rows.filter((row) => row.kind === 'alarm').length;
  return (
    <div className={table['frame']} data-old={isStale || list.isOld || undefined}>
      <div
        ref={scroller}
        className={table['scroller']}
        role="grid"
        aria-label={t('list')}
        aria-multiselectable="true"
        aria-rowcount={rows.length}
        aria-busy={list.isFirstLoad}
        aria-activedescendant={activeIndex >= 0 ? `desk-${activeIndex}` : undefined}
        tabIndex={0}
      >
        {!isPhone && rows.length > 0 && (
          <div className={classes.head} role="row" tabIndex={-1}>
            <span />
            {(['severity', 'what', 'where', 'raised', 'response', 'who'] as const).map((column) => (
              <span key={column} role="columnheader" tabIndex={-1}>
                {t(`column.${column}`)}
              </span>
            ))}
          </div>
        )}
        {list.isFirstLoad && <LoadingState rows={10} />}
        {!list.isFirstLoad && rows.length === 0 && <EmptyState {...props.empty} />}
        <div className={table['rows']} style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const row = rows[item.index];
            if (!row) return null;
            const place = { index: item.index, start: item.start, isActive: item.index === activeIndex };
            if (row.kind === 'note') {
              return <NoteRow key={row.key} row={row} {...place} onRetry={() => onRow('unfold', row)} />;
            }
            if (row.kind === 'group') {
              const onFold = () => onRow('unfold', row);
              return (
                <GroupRow
                  key={row.key}
                  id={`desk-${item.index}`}
                  row={row}
                  by={props.group}
                  {...place}
                  onFold={onFold}
                />
              );
            }
            return (
              <AlarmRow
                key={row.key}
                id={`desk-${item.index}`}
                alarm={row.alarm}
                depth={row.depth}
                {...place}
                isPhone={isPhone}
                isChosen={props.chosen.has(row.alarm.id)}
                isNew={now - row.alarm.last_raised_ms < NEW_MS}
                isUnfolded={props.unfolded.has(row.alarm.id)}
                measure={isPhone ? virtual.measureElement : undefined}
                onEvent={onEvent}
              />
            );
          })}
        </div>
      </div>
      <footer className={table['foot']}>
        <span>
          {list.total === null
            ? t('loaded', { shown })
            : t('loadedOf', { shown, total: Math.max(list.total, shown) })}
          {isStale && ` · ${t('stale')}`}
        </span>
        {list.isFetchingMore && <Loader size="xs" type="dots" />}
      </footer>
    </div>
  );
}
