import type { Column, Sort } from './data-table';
import classes from './data-table.module.css';
import { IconDown, IconUp } from './icons';

interface HeadProps<T> {
  columns: readonly Column<T>[];
  template: string;
  sort: Sort | undefined;
  onSort: ((sort: Sort) => void) | undefined;
  lead: React.ReactNode;
}

/** The heads of the columns; those that the list can be ordered by are buttons. */
export function DataTableHead<T>({ columns, template, sort, onSort, lead }: HeadProps<T>) {
  return (
    <div className={classes['head']} role="row" tabIndex={-1} style={{ gridTemplateColumns: template }}>
      {lead && (
        <div role="columnheader" tabIndex={-1} className={classes['cell']}>
          {lead}
        </div>
      )}
      {columns.map((column) => {
        const isSorted = sort?.by === column.id;
        const direction = isSorted ? (sort.descending ? 'descending' : 'ascending') : 'none';
        return (
          <div
            key={column.id}
            role="columnheader"
            tabIndex={-1}
            className={classes['cell']}
            data-align={column.align}
            aria-sort={column.sortable ? direction : undefined}
          >
            {column.sortable && onSort ? (
              <button
                type="button"
                className={classes['sort']}
                onClick={() => onSort({ by: column.id, descending: isSorted ? !sort.descending : false })}
              >
                {column.header}
                {isSorted && (sort.descending ? <IconDown size={13} /> : <IconUp size={13} />)}
              </button>
            ) : (
              column.header
            )}
          </div>
        );
      })}
    </div>
  );
}
