/** Areas of a site as a tree, and the floor plan of the chosen one with its devices, live. */
import { Button, FileButton, Group, Select } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { areaPath, areasQuery } from '../../api/areas';
import { api } from '../../api/client';
import { everything, useSites } from '../../api/lists';
import { useIsStale } from '../../api/live';
import { useRight } from '../../api/session';
import { text, useParams } from '../../app/params';
import { useSite } from '../../app/site';
import { useWords } from '../../i18n/words';
import { ToneBadge } from '../../ui/badges';
import { IconEdit, IconUpload } from '../../ui/icons';
import { PageBody, PageHeader } from '../../ui/page';
import { EmptyState, LoadingState, ProblemState, useProblemText } from '../../ui/states';
import { positionsQuery, useTopology } from '../assets/data';
import type { Asset, Position, TopologyNode } from '../assets/types';
import { AreaTree } from './areas';
import { Plan } from './plan';
import classes from './plans.module.css';

const PARAMS = { area: text() };
const PICTURES = 'image/png,image/jpeg,image/webp';
/** What the collector takes at most. */
const MOST_BYTES = 8 << 20;

export default function PlansPage() {
  const { t } = useTranslation('plans');
  const words = useWords();
  const sites = useSites();
  const [chosen, chooseSite] = useSite();
  const site = chosen ?? sites[0]?.id ?? null;
  const areas = useQuery({ ...areasQuery(site), enabled: site !== null });
  const [params, setParams] = useParams(PARAMS);
  if (areas.error) return <ProblemState error={areas.error} retry={() => void areas.refetch()} />;
  if (!areas.data || site === null) return <LoadingState rows={10} />;
  const list = areas.data;
  const area = list.find((each) => each.id === params.area) ?? list.find((each) => each.plan) ?? list[0];
  return (
    <PageBody fill>
      <PageHeader
        title={t('title')}
        aside={
          chosen === null && (
            <Select
              aria-label={t('site')}
              data={sites.map((each) => ({ value: each.id, label: words.name(each.name, each.id) }))}
              value={site}
              onChange={chooseSite}
              searchable
            />
          )
        }
      />
      <div className={classes['split']}>
        <AreaTree
          site={site}
          areas={list}
          chosen={area?.id ?? ''}
          onChoose={(id) => setParams({ area: id })}
        />
        {area ? (
          <AreaPlan key={area.id} site={site} id={area.id} name={areaPath(area)} hasPlan={area.plan} />
        ) : (
          <EmptyState title={t('noAreas.title')} text={t('noAreas.text')} />
        )}
      </div>
    </PageBody>
  );
}

interface AreaPlanProps {
  site: string;
  id: string;
  name: string;
  hasPlan: boolean;
}

function AreaPlan({ site, id, name, hasPlan }: AreaPlanProps) {
  const { t } = useTranslation('plans');
  const { t: common } = useTranslation('common');
  const problemText = useProblemText();
  const mayEdit = useRight('configure', site);
  const isStale = useIsStale();
  const client = useQueryClient();
  const stored = useQuery(positionsQuery(id));
  const assets = useQuery({
    queryKey: ['assets', 'area', id],
    queryFn: ({ signal }) => everything<Asset>('/assets', { area: id }, signal),
  });
  const topology = useTopology(site).data;
  const [draft, setDraft] = useState<Position[] | null>(null);
  /** What was there when the arranging began. */
  const [base, setBase] = useState<string | undefined>();
  const [version, setVersion] = useState(0);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const nodes = useMemo(() => {
    const found = new Map<string, TopologyNode>();
    for (const node of topology?.nodes ?? []) if (node.asset) found.set(node.asset, node);
    return found;
  }, [topology]);
  const positions = draft ?? stored.data?.positions ?? [];

  const attempt = async (work: () => Promise<unknown>) => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
    } catch (error) {
      setProblem(problemText(error));
    } finally {
      setBusy(false);
    }
  };
  const upload = (file: File | null) => {
    if (!file) return;
    if (file.size > MOST_BYTES) return setProblem(t('tooLarge'));
    void attempt(async () => {
      await api.put(`/areas/${encodeURIComponent(id)}/plan`, file);
      setVersion((before) => before + 1);
      await client.invalidateQueries({ queryKey: ['areas'] });
    });
  };
  const save = () =>
    attempt(async () => {
      await api.put(`/areas/${encodeURIComponent(id)}/positions`, {
        positions: draft,
        // What somebody else arranged meanwhile is not undone.
        ...(base === undefined ? {} : { revision: base }),
      });
      await client.invalidateQueries({ queryKey: ['positions', id] });
      setDraft(null);
    });

  return (
    <section className={classes['area']} aria-label={name}>
      <Group justify="space-between">
        <Group gap="xs">
          <strong>{name}</strong>
          {isStale && <ToneBadge tone="off">{common('lastKnown')}</ToneBadge>}
        </Group>
        {mayEdit && (
          <Group gap="xs">
            <FileButton onChange={upload} accept={PICTURES}>
              {(props) => (
                <Button
                  {...props}
                  size="xs"
                  variant="default"
                  leftSection={<IconUpload size={14} />}
                  loading={busy}
                >
                  {hasPlan ? t('replace') : t('upload')}
                </Button>
              )}
            </FileButton>
            {hasPlan && draft === null && (
              <Button
                size="xs"
                leftSection={<IconEdit size={14} />}
                onClick={() => {
                  setDraft(stored.data?.positions ?? []);
                  setBase(stored.data?.revision);
                }}
              >
                {t('arrange')}
              </Button>
            )}
            {draft !== null && (
              <>
                <Button size="xs" variant="default" onClick={() => setDraft(null)} disabled={busy}>
                  {common('cancel')}
                </Button>
                <Button size="xs" onClick={() => void save()} loading={busy}>
                  {common('save')}
                </Button>
              </>
            )}
          </Group>
        )}
      </Group>
      {problem && <div role="alert">{problem}</div>}
      {stored.error && <ProblemState error={stored.error} retry={() => void stored.refetch()} />}
      {hasPlan ? (
        <Plan
          key={version}
          area={id}
          version={version}
          name={name}
          positions={positions}
          assets={assets.data ?? []}
          nodes={nodes}
          onMove={draft === null ? null : setDraft}
        />
      ) : (
        <EmptyState title={t('noPlan.title')} text={t('noPlan.text')} />
      )}
    </section>
  );
}
