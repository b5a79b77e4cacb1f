/**
 * A list of any length: only the rows in sight are drawn, and more are fetched as somebody comes near the end.
 *
 * On a phone each row is a card. By keyboard: arrows, Page Up/Down, Home, End move; Enter opens; Space chooses.
 */
import { Checkbox, Loader } from '@mantine/core';
import type { Virtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { PagedList } from '../api/lists';
import { useIsStale } from '../api/live';
import classes from './data-table.module.css';
import { DataTableHead } from './data-table-head';
import { CARD_PX, DataTableRows, ROW_PX } from './data-table-rows';
import { usePhone } from './phone';
import { EmptyState, LoadingState, ProblemState } from './states';

export interface Column<T> {
  id: string;
  header: string;
  /**
   * A width of CSS grid: `minmax(12rem, 2fr)`, `7rem`. The largest rem per fr decides how wide the list is at least: keep
   * them in proportion.
   */
  width: string;
  cell: (row: T) => React.ReactNode;
  /** The list can be ordered by it; `id` is what the parameter `sort` says then. */
  sortable?: boolean;
  align?: 'end';
}

export interface Sort {
  by: string;
  descending?: boolean;
}

export interface DataTableProps<T> {
  /** What the list is about, for screen readers. */
  label: string;
  list: PagedList<T>;
  columns: readonly Column<T>[];
  rowId: (row: T) => string;
  /** Draws a row as a card on a phone. */
  card: (row: T) => React.ReactNode;
  onOpen?: (row: T) => void;
  sort?: Sort;
  onSort?: (sort: Sort) => void;
  /** Ids of the chosen rows; without it rows cannot be chosen. */
  selected?: ReadonlySet<string>;
  onSelect?: (selected: ReadonlySet<string>) => void;
  /** A line to the left of rows that need somebody. */
  tone?: (row: T) => 'bad' | 'serious' | 'warn' | undefined;
  empty: { title: string; text?: React.ReactNode; action?: React.ReactNode };
}

export function DataTable<T>(props: DataTableProps<T>) {
  const { list, columns, rowId, selected, onSelect, label } = props;
  const { rows } = list;
  const { t } = useTranslation('common');
  const isPhone = usePhone();
  const isStale = useIsStale();
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const lastChosen = useRef<number | null>(null);
  const virtual = useRef<Virtualizer<HTMLDivElement, Element> | null>(null);

  const template = useMemo(
    () => (selected ? ['2.5rem'] : []).concat(columns.map((column) => column.width)).join(' '),
    [columns, selected],
  );

  const choose = (index: number, range: boolean) => {
    if (!selected || !onSelect) return;
    const next = new Set(selected);
    const row = rows[index];
    if (!row) return;
    const isOn = !next.has(rowId(row));
    const from = range && lastChosen.current !== null ? Math.min(lastChosen.current, index) : index;
    const to = range && lastChosen.current !== null ? Math.max(lastChosen.current, index) : index;
    for (const each of rows.slice(from, to + 1)) {
      if (isOn) next.add(rowId(each));
      else next.delete(rowId(each));
    }
    lastChosen.current = index;
    onSelect(next);
  };

  // Rows are drawn again only when they change; so what they call has to stay the same.
  const latest = useRef({ choose, open: props.onOpen });
  useEffect(() => {
    latest.current = { choose, open: props.onOpen };
  });
  const onChoose = useCallback((index: number, range: boolean) => latest.current.choose(index, range), []);
  const onOpen = useCallback((row: T) => latest.current.open?.(row), []);

  const moveTo = (index: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, index));
    setActive(next);
    virtual.current?.scrollToIndex(next);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    const page = Math.max(
      1,
      Math.floor((scroller.current?.clientHeight ?? 400) / (isPhone ? CARD_PX : ROW_PX)) - 1,
    );
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    const step = steps[event.key];
    const row = rows[active];
    if (step !== undefined) moveTo(active + step);
    else if (event.key === 'Home') moveTo(0);
    else if (event.key === 'End') moveTo(rows.length - 1);
    else if (event.key === 'Enter' && row) props.onOpen?.(row);
    else if (event.key === ' ' && selected) choose(active, event.shiftKey);
    else return;
    event.preventDefault();
  };

  if (list.error && rows.length === 0) return <ProblemState error={list.error} retry={list.retry} />;
  const id = `table-${label.replace(/\s+/g, '-')}`;
  return (
    <div className={classes['frame']} data-old={isStale || list.isOld || undefined}>
      <div
        ref={scroller}
        className={classes['scroller']}
        role="grid"
        aria-label={label}
        aria-rowcount={list.total ?? -1}
        aria-busy={list.isFirstLoad}
        aria-activedescendant={rows.length > 0 ? `${id}-${active}` : undefined}
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        {!isPhone && (
          <DataTableHead
            columns={columns}
            template={template}
            sort={props.sort}
            onSort={props.onSort}
            lead={
              selected && (
                <Checkbox
                  size="xs"
                  aria-label={t('table.chooseAll')}
                  checked={rows.length > 0 && selected.size >= rows.length}
                  indeterminate={selected.size > 0 && selected.size < rows.length}
                  onChange={(event) =>
                    onSelect?.(event.currentTarget.checked ? new Set(rows.map(rowId)) : new Set())
                  }
                />
              )
            }
          />
        )}
        {list.isFirstLoad && <LoadingState rows={10} />}
        {!list.isFirstLoad && rows.length === 0 && <EmptyState {...props.empty} />}
        <DataTableRows
          id={id}
          list={list}
          scroller={scroller}
          virtual={virtual}
          columns={columns}
          template={template}
          card={isPhone ? props.card : undefined}
          rowId={rowId}
          active={active}
          selected={selected}
          chooseLabel={t('table.choose')}
          tone={props.tone}
          onChoose={onChoose}
          onActivate={setActive}
          onOpen={props.onOpen && onOpen}
        />
        {list.isFetchingMore && (
          <div className={classes['more']}>
            <Loader size="xs" type="dots" />
          </div>
        )}
      </div>
      <footer className={classes['foot']}>
        <span>
          {list.total === null
            ? t('table.loaded', { count: rows.length })
            : t('table.of', { count: rows.length, total: list.total })}
        </span>
        {selected && selected.size > 0 && <span>{t('table.chosen', { count: selected.size })}</span>}
        {list.error && <span className={classes['problem']}>{t('table.notRefreshed')}</span>}
      </footer>
    </div>
  );
}
