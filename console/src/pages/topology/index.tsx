/** How everything of a site hangs together, what does not work, and what that takes along. */
import { Autocomplete, Group } from '@mantine/core';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSites } from '../../api/lists';
import { useIsStale } from '../../api/live';
import { text, useParams } from '../../app/params';
import { useSite } from '../../app/site';
import { useWords } from '../../i18n/words';
import { LEVELS, LevelShape, ToneBadge } from '../../ui/badges';
import { PageBody, PageHeader } from '../../ui/page';
import { PanZoom } from '../../ui/pan-zoom';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { useTopology } from '../assets/data';
import { Details } from './details';
import { Drawing } from './drawing';
import { layout } from './layout';
import classes from './topology.module.css';

const PARAMS = { node: text() };

export default function TopologyPage() {
  const { t } = useTranslation('topology');
  const words = useWords();
  const isStale = useIsStale();
  const [site] = useSite();
  const sites = useSites();
  const [params, setParams] = useParams(PARAMS);
  const [typed, setTyped] = useState('');
  const { data, error, refetch } = useTopology(site);
  const drawn = useMemo(() => layout(data ?? { nodes: [], edges: [] }), [data]);
  const names = useMemo(() => [...new Set((data?.nodes ?? []).map((node) => node.label))], [data]);
  if (error) return <ProblemState error={error} retry={() => void refetch()} />;
  if (!data) return <LoadingState rows={12} />;
  const entries = [...drawn.placed.values()];
  const hidden = entries.filter((entry) => entry.hiddenBy !== null).length;
  const chosen = drawn.placed.get(params.node);
  const choose = (node: string) => setParams({ node });
  const find = (label: string) => {
    const found = entries.find((entry) => entry.node.label === label);
    if (found) choose(found.node.id);
  };
  const siteName = sites.find((each) => each.id === site);
  return (
    <PageBody fill>
      <PageHeader
        title={t('title')}
        aside={<span className="k-dim">{site ? words.name(siteName?.name, site) : t('allSites')}</span>}
        actions={
          <Autocomplete
            aria-label={t('find')}
            placeholder={t('find')}
            data={names}
            limit={30}
            value={typed}
            onChange={setTyped}
            onOptionSubmit={find}
          />
        }
      />
      <Group gap="md" className={classes['legend'] ?? ''}>
        {LEVELS.filter((level) => entries.some((entry) => entry.level === level)).map((level) => (
          <span key={level}>
            <LevelShape level={level} /> {words.health(level)}{' '}
            <b className="k-num">{entries.filter((entry) => entry.level === level).length}</b>
          </span>
        ))}
        {hidden > 0 && (
          <ToneBadge tone="serious" old={isStale}>
            {t('hidden', { count: hidden })}
          </ToneBadge>
        )}
        {isStale && <ToneBadge tone="off">{t('stale')}</ToneBadge>}
      </Group>
      {entries.length === 0 ? (
        <EmptyState title={t('empty.title')} text={t('empty.text')} />
      ) : (
        <div className={classes['split']} data-chosen={chosen ? true : undefined}>
          <PanZoom
            label={t('title')}
            box={{ x: 0, y: 0, width: drawn.width, height: Math.min(drawn.height, drawn.width * 0.9) }}
            fitKey={`${site} ${entries.length}`}
            most={4}
          >
            {(view, screen) => (
              <Drawing
                drawn={drawn}
                view={view}
                screen={screen}
                chosen={params.node}
                isStale={isStale}
                onChoose={choose}
              />
            )}
          </PanZoom>
          {chosen && <Details entry={chosen} drawn={drawn} onChoose={choose} onClose={() => choose('')} />}
        </div>
      )}
    </PageBody>
  );
}
