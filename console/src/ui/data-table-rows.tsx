/** The rows in sight. They alone are looked at while somebody scrolls; the heads and the foot stay as they are. */
import { useVirtualizer, type Virtualizer } from '@tanstack/react-virtual';
import { type RefObject, useEffect } from 'react';
import type { PagedList } from '../api/lists';
import type { Column } from './data-table';
import classes from './data-table.module.css';
import { DataTableRow } from './data-table-row';

export const ROW_PX = 40;
export const CARD_PX = 84;
/** Rows that are kept ready above and below. */
const READY = 10;
/** How near to the end more is fetched. */
const NEAR_ROWS = 60;

interface RowsProps<T> {
  /** What the ids of the rows begin with. */
  id: string;
  list: PagedList<T>;
  scroller: RefObject<HTMLDivElement | null>;
  /** Takes the list to a row that is not in sight. */
  virtual: RefObject<Virtualizer<HTMLDivElement, Element> | null>;
  columns: readonly Column<T>[];
  template: string;
  card: ((row: T) => React.ReactNode) | undefined;
  rowId: (row: T) => string;
  active: number;
  selected: ReadonlySet<string> | undefined;
  chooseLabel: string;
  tone: ((row: T) => string | undefined) | undefined;
  onChoose: (index: number, range: boolean) => void;
  onActivate: (index: number) => void;
  onOpen: ((row: T) => void) | undefined;
}

export function DataTableRows<T>(props: RowsProps<T>) {
  const { id, list, columns, template, card, rowId, selected } = props;
  const { rows } = list;
  const isCard = card !== undefined;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => props.scroller.current,
    estimateSize: () => (isCard ? CARD_PX : ROW_PX),
    overscan: READY,
  });
  const { virtual: handle } = props;
  useEffect(() => {
    handle.current = virtual;
  }, [handle, virtual]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: sizes are measured again when rows become cards
  useEffect(() => virtual.measure(), [isCard]);

  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const isNearEnd = rows.length > 0 && last >= rows.length - NEAR_ROWS;
  // biome-ignore lint/correctness/useExhaustiveDependencies: asks once for each page, not at each drawing
  useEffect(() => {
    if (isNearEnd && list.hasMore && !list.isFetchingMore) list.fetchMore();
  }, [isNearEnd, list.hasMore, list.isFetchingMore, rows.length]);

  return (
    <div className={classes['rows']} style={{ height: virtual.getTotalSize() }}>
      {items.map((item) => {
        const row = rows[item.index];
        if (row === undefined) return null;
        return (
          <DataTableRow
            key={rowId(row)}
            id={`${id}-${item.index}`}
            row={row}
            index={item.index}
            start={item.start}
            measure={isCard ? virtual.measureElement : undefined}
            columns={columns}
            template={template}
            card={card}
            isActive={item.index === props.active}
            isSelected={selected ? selected.has(rowId(row)) : undefined}
            chooseLabel={props.chooseLabel}
            tone={props.tone?.(row)}
            onChoose={props.onChoose}
            onActivate={props.onActivate}
            onOpen={props.onOpen}
          />
        );
      })}
    </div>
  );
}
