/** The list of assets. */
import { Button, Menu, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { areaPath, areasQuery } from '../../api/areas';
import { apiAddress } from '../../api/client';
import { overviewQuery, usePagedList } from '../../api/lists';
import { useRight } from '../../api/session';
import { text, useParams, word } from '../../app/params';
import { useSite } from '../../app/site';
import { useWords } from '../../i18n/words';
import { DataTable } from '../../ui/data-table';
import { IconDownload, IconPlus, IconPrint, IconSearch, IconUpload } from '../../ui/icons';
import { useGo } from '../../ui/link';
import { PageBody, PageHeader } from '../../ui/page';
import classes from './assets.module.css';
import { useColumns } from './columns';
import { AssetEditor } from './editor';
import type { Asset } from './types';

const PARAMS = {
  q: text(),
  area: text(),
  class: text(),
  bound: word(['', 'true', 'false'], ''),
  sort: word(['name', 'class', 'expiry', 'changed'], 'name'),
};

export default function AssetsPage() {
  const { t } = useTranslation('assets');
  const words = useWords();
  const go = useGo();
  const mayEdit = useRight('configure');
  const [site] = useSite();
  const [params, setParams] = useParams(PARAMS);
  const [typed, setTyped] = useState(params.q);
  const search = useDebouncedCallback((q: string) => setParams({ q }), 250);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [isNew, setNew] = useState(false);
  const filters = { site, area: params.area, class: params.class, bound: params.bound, q: params.q };
  const list = usePagedList<Asset>(['assets'], '/assets', { ...filters, sort: params.sort });
  const areas = useQuery(areasQuery(site)).data ?? [];
  const overview = useQuery(overviewQuery(null)).data;
  const columns = useColumns(areas);
  const classOptions = useMemo(
    () => (overview?.classes ?? []).map((row) => ({ value: row.class, label: words.class(row.class) })),
    [overview, words],
  );
  const areaOptions = areas.map((area) => ({ value: area.id, label: areaPath(area) }));
  const chosen = selected.size > 0 ? { ids: [...selected] } : filters;
  const language = words.language;
  return (
    <PageBody fill>
      <PageHeader
        title={t('title')}
        actions={
          <>
            {mayEdit && (
              <Button leftSection={<IconPlus size={16} />} onClick={() => setNew(true)}>
                {t('new')}
              </Button>
            )}
            {mayEdit && (
              <Button
                variant="default"
                leftSection={<IconUpload size={16} />}
                onClick={() => go('/assets/import')}
              >
                {t('import')}
              </Button>
            )}
            <Menu position="bottom-end">
              <Menu.Target>
                <Button variant="default" leftSection={<IconDownload size={16} />}>
                  {t('export')}
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                {(['xlsx', 'csv'] as const).map((format) => (
                  <Menu.Item
                    key={format}
                    component="a"
                    download
                    href={apiAddress('/assets/export', { ...filters, format, language })}
                  >
                    {t(`format.${format}`)}
                  </Menu.Item>
                ))}
              </Menu.Dropdown>
            </Menu>
            <Button
              variant="default"
              component="a"
              target="_blank"
              rel="noopener"
              href={apiAddress('/assets/labels', { ...chosen, language })}
              leftSection={<IconPrint size={16} />}
            >
              {selected.size > 0 ? t('labelsOf', { count: selected.size }) : t('labels')}
            </Button>
          </>
        }
      />
      <div className={classes['filters']}>
        <TextInput
          className={classes['wide'] ?? ''}
          type="search"
          aria-label={t('search')}
          placeholder={t('search')}
          leftSection={<IconSearch size={15} />}
          value={typed}
          onChange={(event) => {
            setTyped(event.currentTarget.value);
            search(event.currentTarget.value);
          }}
        />
        <Select
          aria-label={t('field.area')}
          placeholder={t('field.area')}
          data={areaOptions}
          value={params.area || null}
          onChange={(area) => setParams({ area: area ?? '' })}
          clearable
          searchable
        />
        <Select
          aria-label={t('field.class')}
          placeholder={t('field.class')}
          data={classOptions}
          value={params.class || null}
          onChange={(value) => setParams({ class: value ?? '' })}
          clearable
          searchable
        />
        <Select
          aria-label={t('bound.label')}
          placeholder={t('bound.label')}
          data={[
            { value: 'true', label: t('bound.true') },
            { value: 'false', label: t('bound.false') },
          ]}
          value={params.bound || null}
          onChange={(value) => setParams({ bound: (value ?? '') as '' | 'true' | 'false' })}
          clearable
        />
      </div>
      <DataTable
        label={t('title')}
        list={list}
        columns={columns}
        rowId={(row) => row.id}
        onOpen={(row) => go(`/assets/${row.id}`)}
        selected={selected}
        onSelect={setSelected}
        sort={{ by: params.sort }}
        onSort={({ by }) => setParams({ sort: by as 'name' | 'class' | 'expiry' | 'changed' })}
        card={(row) => (
          <>
            <strong>{row.name}</strong>
            <div className="k-dim">
              {words.class(row.class)} · {[row.maker, row.model].filter(Boolean).join(' ') || t('noModel')}
            </div>
          </>
        )}
        empty={{ title: t('empty.title'), text: t('empty.text') }}
      />
      {isNew && (
        <AssetEditor asset={null} onClose={() => setNew(false)} onDone={(made) => go(`/assets/${made.id}`)} />
      )}
    </PageBody>
  );
}
