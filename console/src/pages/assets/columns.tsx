/** The columns of the list of assets. */
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { areaPath } from '../../api/areas';
import { useSites } from '../../api/lists';
import type { Area } from '../../api/types';
import { useWords } from '../../i18n/words';
import { ToneBadge } from '../../ui/badges';
import type { Column } from '../../ui/data-table';
import { EndDate, firstExpiry } from './dates';
import type { Asset } from './types';

export function useColumns(areas: readonly Area[]): readonly Column<Asset>[] {
  const { t } = useTranslation('assets');
  const words = useWords();
  const sites = useSites();
  return useMemo(() => {
    const paths = new Map(areas.map((area) => [area.id, areaPath(area)]));
    const names = new Map(sites.map((site) => [site.id, words.name(site.name, site.id)]));
    return [
      {
        id: 'name',
        header: t('field.name'),
        width: 'minmax(10rem, 2fr)',
        sortable: true,
        cell: (row) => row.name,
      },
      {
        id: 'class',
        header: t('field.class'),
        width: 'minmax(6rem, 1.2fr)',
        sortable: true,
        cell: (row) => words.class(row.class),
      },
      {
        id: 'site',
        header: t('field.site'),
        width: 'minmax(6rem, 1.2fr)',
        cell: (row) => names.get(row.site) ?? row.site,
      },
      {
        id: 'area',
        header: t('field.area'),
        width: 'minmax(6.5rem, 1.3fr)',
        cell: (row) => (row.area && paths.get(row.area)) || <span className="k-dim">—</span>,
      },
      {
        id: 'model',
        header: t('field.model'),
        width: 'minmax(6.5rem, 1.3fr)',
        cell: (row) => [row.maker, row.model].filter(Boolean).join(' ') || <span className="k-dim">—</span>,
      },
      {
        id: 'serial',
        header: t('field.serial'),
        width: 'minmax(5.5rem, 1.1fr)',
        cell: (row) => row.serial || <span className="k-dim">—</span>,
      },
      {
        id: 'expiry',
        header: t('firstExpiry'),
        width: 'minmax(12rem, 2.4fr)',
        sortable: true,
        cell: (row) => <EndDate date={firstExpiry(row)} />,
      },
      {
        id: 'bound',
        header: t('bound.label'),
        width: '7.25rem',
        cell: (row) =>
          row.device ? (
            <ToneBadge tone="ok">{t('bound.yes')}</ToneBadge>
          ) : (
            <ToneBadge tone="off">{t('bound.no')}</ToneBadge>
          ),
      },
    ];
  }, [areas, sites, t, words]);
}
