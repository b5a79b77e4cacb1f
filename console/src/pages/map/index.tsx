/** All sites where they are, and as a list beside it, worst first. */

import { Button, Group } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { overviewQuery, sitesQuery } from '../../api/lists';
import { useIsStale } from '../../api/live';
import { useRight } from '../../api/session';
import { troubled, unobserved } from '../../api/standing';
import type { Site } from '../../api/types';
import { text, useParams } from '../../app/params';
import { useWords } from '../../i18n/words';
import { LEVELS, LevelShape, SeverityBadge, ToneBadge } from '../../ui/badges';
import { IconEdit } from '../../ui/icons';
import { AppLink } from '../../ui/link';
import { PageBody, PageHeader } from '../../ui/page';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { SiteForm } from './form';
import classes from './map.module.css';
import { type SiteSummary, worstFirst } from './order';
import { SiteMap } from './picture';

const PARAMS = { at: text() };

export default function MapPage() {
  const { t } = useTranslation('map');
  const words = useWords();
  const isStale = useIsStale();
  const overview = useQuery(overviewQuery(null));
  const sites = useQuery(sitesQuery);
  const [params, setParams] = useParams(PARAMS);
  const mayEdit = useRight('configure', params.at);
  const [isEditing, setEditing] = useState(false);
  const rows = useMemo(() => [...(overview.data?.sites ?? [])].sort(worstFirst), [overview.data]);
  const known = useMemo(() => new Map((sites.data ?? []).map((site) => [site.id, site])), [sites.data]);
  const name = (id: string) =>
    words.name(known.get(id)?.name ?? rows.find((row) => row.site === id)?.name, id);
  if (overview.error) return <ProblemState error={overview.error} retry={() => void overview.refetch()} />;
  if (!overview.data || !sites.data) return <LoadingState rows={12} />;
  const chosen = rows.find((row) => row.site === params.at);
  const site = chosen && known.get(chosen.site);
  return (
    <PageBody fill>
      <PageHeader
        title={t('title')}
        aside={<span className="k-dim">{t('count', { count: rows.length })}</span>}
      />
      {rows.length === 0 ? (
        <EmptyState title={t('empty.title')} text={t('empty.text')} />
      ) : (
        <div className={classes['split']} data-old={isStale || undefined}>
          <SiteMap
            rows={rows}
            sites={known}
            name={name}
            chosen={params.at}
            onChoose={(at) => setParams({ at })}
          />
          <div className={classes['side']}>
            {chosen && (
              <section className={classes['card']} aria-label={name(chosen.site)}>
                <Group justify="space-between" wrap="nowrap">
                  <strong>{name(chosen.site)}</strong>
                  {mayEdit && (
                    <Button
                      size="compact-sm"
                      variant="default"
                      leftSection={<IconEdit size={14} />}
                      onClick={() => setEditing(true)}
                    >
                      {t('editSite')}
                    </Button>
                  )}
                </Group>
                <ul className={classes['levels']}>
                  {(chosen.by_level.not_current ?? 0) > 0 && (
                    <li>
                      <LevelShape level="unknown" /> {words.health('not_current')}{' '}
                      <b className="k-num">{chosen.by_level.not_current}</b>
                    </li>
                  )}
                  {LEVELS.filter((level) => (chosen.by_level[level] ?? 0) > 0).map((level) => (
                    <li key={level}>
                      <LevelShape level={level} /> {words.health(level)}{' '}
                      <b className="k-num">{chosen.by_level[level]}</b>
                    </li>
                  ))}
                </ul>
                <Group gap="md">
                  <AppLink to="/devices" search={{ site: chosen.site }}>
                    {t('devices')}
                  </AppLink>
                  <AppLink to="/alarms" search={{ site: chosen.site }}>
                    {t('alarms')}
                  </AppLink>
                  <AppLink to="/plans" search={{ site: chosen.site }}>
                    {t('plans')}
                  </AppLink>
                  <AppLink to="/topology" search={{ site: chosen.site }}>
                    {t('topology')}
                  </AppLink>
                </Group>
              </section>
            )}
            <ul className={classes['list']} aria-label={t('list')}>
              {rows.map((row) => (
                <li key={row.site}>
                  <button
                    type="button"
                    className={classes['row']}
                    aria-pressed={row.site === params.at}
                    onClick={() => setParams({ at: row.site })}
                  >
                    <span className={classes['name']}>
                      {name(row.site)}
                      {!hasPlace(known.get(row.site)) && <span className="k-dim"> · {t('noPlace')}</span>}
                    </span>
                    <span className={classes['marks']}>
                      {row.worst_severity && <SeverityBadge severity={row.worst_severity} old={isStale} />}
                      <Standing row={row} isStale={isStale} />
                      <span className="k-num k-dim">{t('ofDevices', { count: row.total })}</span>
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          </div>
        </div>
      )}
      {isEditing && site && <SiteForm site={site} onClose={() => setEditing(false)} />}
    </PageBody>
  );
}

/** What does not work there, and what nobody observes; that all work is said only if it is known of all. */
function Standing({ row, isStale }: { row: SiteSummary; isStale: boolean }) {
  const { t } = useTranslation('map');
  const faults = troubled(row.by_level);
  const unknown = unobserved(row.by_level);
  return (
    <>
      {faults > 0 && (
        <ToneBadge tone="bad" old={isStale} shape={<LevelShape level="unreachable" size={10} />}>
          {t('troubled', { count: faults })}
        </ToneBadge>
      )}
      {unknown > 0 && (
        <ToneBadge tone="off" old={isStale} shape={<LevelShape level="unknown" size={10} />}>
          {t('unobserved', { count: unknown })}
        </ToneBadge>
      )}
      {faults === 0 && unknown === 0 && (
        <ToneBadge tone="ok" old={isStale} shape={<LevelShape level="working" size={10} />}>
          {t('allWork')}
        </ToneBadge>
      )}
    </>
  );
}

function hasPlace(site: Site | undefined): boolean {
  return typeof site?.lon === 'number' && typeof site?.lat === 'number';
}
