import { memo } from 'react';
import type { Column } from './data-table';
import classes from './data-table.module.css';

interface RowProps<T> {
  id: string;
  row: T;
  index: number;
  start: number;
  measure: ((element: Element | null) => void) | undefined;
  columns: readonly Column<T>[];
  template: string;
  card: ((row: T) => React.ReactNode) | undefined;
  isActive: boolean;
  isSelected: boolean | undefined;
  /** What the box to choose the row is called. */
  chooseLabel: string;
  tone: string | undefined;
  onChoose: (index: number, range: boolean) => void;
  onActivate: (index: number) => void;
  onOpen: ((row: T) => void) | undefined;
}

function Row<T>(props: RowProps<T>) {
  const { row, index, columns, isSelected, card, onOpen } = props;
  const open = (event: React.MouseEvent) => {
    props.onActivate(index);
    const isControl = (event.target as HTMLElement).closest('a, button, input, label') !== null;
    if (!isControl && window.getSelection()?.toString() === '') onOpen?.(row);
  };
  const box = isSelected !== undefined && (
    <input
      type="checkbox"
      className={classes['check']}
      tabIndex={-1}
      aria-label={props.chooseLabel}
      checked={isSelected}
      onChange={(event) =>
        props.onChoose(index, (event.nativeEvent as unknown as MouseEvent).shiftKey === true)
      }
    />
  );
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid takes the keys for the row that is active
    <div
      id={props.id}
      ref={props.measure}
      data-index={index}
      role="row"
      tabIndex={-1}
      aria-rowindex={index + 1}
      aria-selected={isSelected}
      className={card ? classes['card'] : classes['row']}
      data-active={props.isActive || undefined}
      data-tone={props.tone}
      data-open={onOpen ? true : undefined}
      style={{
        // Painted apart from each other: a row that comes does not have the others painted again.
        transform: `translateY(${props.start}px)`,
        ...(card ? {} : { gridTemplateColumns: props.template }),
      }}
      onClick={open}
    >
      {card ? (
        <div role="gridcell" tabIndex={-1} className={classes['cardBody']}>
          {box}
          <div className={classes['cardText']}>{card(row)}</div>
        </div>
      ) : (
        <>
          {box && (
            <div role="gridcell" tabIndex={-1} className={classes['cell']}>
              {box}
            </div>
          )}
          {columns.map((column) => (
            <div
              key={column.id}
              role="gridcell"
              tabIndex={-1}
              className={classes['cell']}
              data-align={column.align}
            >
              {column.cell(row)}
            </div>
          ))}
        </>
      )}
    </div>
  );
}

/** Drawn again only when the row, its place or its columns are others; functions may change freely. */
export const DataTableRow = memo(Row, (before, after) => {
  return (
    before.row === after.row &&
    before.index === after.index &&
    before.start === after.start &&
    before.columns === after.columns &&
    before.template === after.template &&
    before.isActive === after.isActive &&
    before.isSelected === after.isSelected &&
    before.tone === after.tone &&
    (before.card === undefined) === (after.card === undefined) &&
    (before.isSelected === undefined || before.onChoose === after.onChoose)
  );
}) as typeof Row;
