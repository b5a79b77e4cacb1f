/** One asset: everything that is known of it, its device as it is now, and who changed what. */
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useParams as useRoute } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { areaPath, areasQuery } from '../../api/areas';
import { api, apiAddress } from '../../api/client';
import { useSites } from '../../api/lists';
import { useRight } from '../../api/session';
import type { AuditRow, Page } from '../../api/types';
import { useWords } from '../../i18n/words';
import { ConfirmDialog } from '../../ui/confirm';
import { IconEdit, IconPrint, IconTrash } from '../../ui/icons';
import { useGo } from '../../ui/link';
import { PageBody, PageHeader, Panel } from '../../ui/page';
import { LoadingState, ProblemState } from '../../ui/states';
import { TimeText } from '../../ui/time-text';
import classes from '../assets/assets.module.css';
import { assetQuery } from '../assets/data';
import { EndDate } from '../assets/dates';
import { AssetEditor } from '../assets/editor';
import type { Asset } from '../assets/types';
import { valueText } from '../assets/value-text';
import { Connections } from './connections';
import { BoundDevice } from './device';

export default function AssetPage() {
  const { id } = useRoute({ strict: false }) as { id: string };
  const { data, error, refetch } = useQuery(assetQuery(id));
  if (error) return <ProblemState error={error} retry={() => void refetch()} />;
  if (!data) return <LoadingState rows={10} />;
  return <AssetView asset={data} />;
}

function AssetView({ asset }: { asset: Asset }) {
  const { t } = useTranslation('assets');
  const { t: common } = useTranslation('common');
  const words = useWords();
  const mayEdit = useRight('configure', asset.site);
  const go = useGo();
  const client = useQueryClient();
  const [open, setOpen] = useState<'edit' | 'delete' | null>(null);
  const remove = async () => {
    await api.delete(`/assets/${encodeURIComponent(asset.id)}`);
    await client.invalidateQueries({ queryKey: ['assets'] });
    void client.invalidateQueries({ queryKey: ['topology'] });
    go('/assets');
  };
  return (
    <PageBody>
      <PageHeader
        title={asset.name}
        description={
          <>
            {words.class(asset.class)} · <span className="k-num">{asset.id}</span>
          </>
        }
        actions={
          <>
            <Button
              variant="default"
              component="a"
              target="_blank"
              rel="noopener"
              href={apiAddress('/assets/labels', { ids: [asset.id], language: words.language })}
              leftSection={<IconPrint size={16} />}
            >
              {t('label')}
            </Button>
            {mayEdit && (
              <Button leftSection={<IconEdit size={16} />} onClick={() => setOpen('edit')}>
                {common('edit')}
              </Button>
            )}
            {mayEdit && (
              <Button
                variant="default"
                leftSection={<IconTrash size={16} />}
                onClick={() => setOpen('delete')}
              >
                {common('delete')}
              </Button>
            )}
          </>
        }
      />
      <div className={classes['columns']}>
        <div className={classes['stack']}>
          <Details asset={asset} />
          <Changes id={asset.id} revision={asset.revision} />
        </div>
        <div className={classes['stack']}>
          <BoundDevice asset={asset} />
          <Connections asset={asset} />
          <Papers asset={asset} />
        </div>
      </div>
      {open === 'edit' && <AssetEditor asset={asset} onClose={() => setOpen(null)} />}
      <ConfirmDialog
        opened={open === 'delete'}
        title={t('deleteTitle', { name: asset.name })}
        confirm={common('delete')}
        danger
        onConfirm={remove}
        onClose={() => setOpen(null)}
      >
        {t('deleteText')}
      </ConfirmDialog>
    </PageBody>
  );
}

function Details({ asset }: { asset: Asset }) {
  const { t } = useTranslation('assets');
  const words = useWords();
  const site = useSites().find((each) => each.id === asset.site);
  const area = (useQuery(areasQuery(asset.site)).data ?? []).find((each) => each.id === asset.area);
  const place = [
    asset.rack,
    asset.rack_unit && `U${asset.rack_unit}`,
    asset.height_units && `${asset.height_units} U`,
  ];
  const pairs: [string, React.ReactNode][] = [
    [t('field.site'), words.name(site?.name, asset.site)],
    [t('field.area'), area && areaPath(area)],
    [t('field.rack'), place.filter(Boolean).join(' · ')],
    [t('field.maker'), asset.maker],
    [t('field.model'), asset.model],
    [t('field.serial'), asset.serial],
    [t('field.owner'), asset.owner],
    [t('field.installed'), asset.installed],
    [t('field.warranty_until'), <EndDate key="warranty" date={asset.warranty_until} />],
    [t('field.key'), asset.key],
    [t('field.profile'), asset.profile],
    [t('field.address'), asset.address],
    [t('field.interfaces'), (asset.interfaces ?? []).join(', ')],
    [t('field.tags'), (asset.tags ?? []).join(', ')],
    [t('field.note'), asset.note],
  ];
  return (
    <Panel title={t('details')}>
      <dl className={classes['pairs']}>
        {pairs.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value || <span className="k-dim">—</span>}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}

function Papers({ asset }: { asset: Asset }) {
  const { t } = useTranslation('assets');
  if (asset.licences.length === 0 && asset.documents.length === 0) return null;
  return (
    <Panel title={t('papers')}>
      <ul className={classes['list']}>
        {asset.licences.map((licence) => (
          <li key={`licence ${licence.name}`}>
            {licence.name} <EndDate date={licence.until} />
          </li>
        ))}
        {asset.documents.map((document) => (
          <li key={`document ${document.url}`}>
            {/^https?:\/\//.test(document.url) ? (
              <a className="k-link" href={document.url} target="_blank" rel="noopener noreferrer">
                {document.name}
              </a>
            ) : (
              document.name
            )}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

interface Change {
  field: string;
  from: unknown;
  to: unknown;
}

/** The fields that a deed of the audit log says were changed. */
function changesOf(detail: unknown): Change[] {
  const changes = (detail as { changes?: unknown } | null)?.changes;
  return Array.isArray(changes) ? (changes as Change[]) : [];
}

function Changes({ id, revision }: { id: string; revision: number }) {
  const { t, i18n } = useTranslation('assets');
  const { data } = useQuery({
    queryKey: ['asset', id, 'changes', revision],
    queryFn: () => api.get<Page<AuditRow>>(`/assets/${encodeURIComponent(id)}/changes`, { limit: 50 }),
  });
  const rows = data?.items ?? [];
  const fieldName = (field: string) =>
    i18n.exists(`field.${field}`, { ns: 'assets' }) ? t(`field.${field}`) : field;
  return (
    <Panel title={t('changes')}>
      {rows.length === 0 ? (
        <span className="k-dim">{t('noChanges')}</span>
      ) : (
        <ul className={classes['list']}>
          {rows.map((row) => (
            <li key={row.id}>
              <TimeText ms={row.at_ms} /> · {row.actor_name}
              {changesOf(row.detail).map((change) => (
                <div key={change.field} className="k-dim">
                  {fieldName(change.field)}：{valueText(change.from)} → {valueText(change.to)}
                </div>
              ))}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
