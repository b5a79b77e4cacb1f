/** Evidence pictures of a device or an alarm: what was delivered, the newest first, and a way to add one. */
import { Button, Group } from '@mantine/core';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { type PagedList, usePagedList } from '../api/lists';
import { useRight } from '../api/session';
import { IconPlus } from '../ui/icons';
import { Panel } from '../ui/page';
import { EmptyState, LoadingState, ProblemState } from '../ui/states';
import { AddDialog } from './add-dialog';
import classes from './evidence.module.css';
import { Tile } from './tile';
import type { Evidence, Subject } from './types';
import { Viewer } from './viewer';

/** Pictures are large: a few at a time. */
const AT_ONCE = 24;

export function useEvidence(
  filter: { device?: string; alarm?: string },
  limit = AT_ONCE,
): PagedList<Evidence> {
  const { device, alarm } = filter;
  const query = useMemo(() => ({ device, alarm }), [device, alarm]);
  return usePagedList<Evidence>(['evidence'], '/evidence', query, limit);
}

interface PicturesProps {
  subject: Subject;
  /** Only those of the alarm, and not all of the device. */
  ofAlarm?: boolean;
}

export function Pictures({ subject, ofAlarm }: PicturesProps) {
  const { t } = useTranslation('evidence');
  const mayAdd = useRight('evidence', subject.site);
  const list = useEvidence(ofAlarm && subject.alarm ? { alarm: subject.alarm } : { device: subject.device });
  const [open, setOpen] = useState<string | null>(null);
  const [isAdding, setAdding] = useState(false);
  const { rows } = list;
  const add = mayAdd && (
    <Button
      size="xs"
      variant={rows.length === 0 ? 'filled' : 'default'}
      leftSection={<IconPlus size={14} />}
      onClick={() => setAdding(true)}
    >
      {t('add')}
    </Button>
  );
  return (
    <Panel title={t('title')} aside={add}>
      {list.isFirstLoad && <LoadingState rows={4} />}
      {list.error && rows.length === 0 && <ProblemState error={list.error} retry={list.retry} />}
      {!list.isFirstLoad && !list.error && rows.length === 0 && (
        <EmptyState title={t('empty')} text={t(ofAlarm ? 'emptyAlarm' : 'emptyDevice')} />
      )}
      {rows.length > 0 && (
        <ul className={classes.grid} data-old={list.isOld || undefined}>
          {rows.map((evidence) => (
            <Tile key={evidence.id} evidence={evidence} onOpen={() => setOpen(evidence.id)} />
          ))}
        </ul>
      )}
      {list.hasMore && (
        <Group justify="center" mt="sm">
          <Button variant="default" size="xs" loading={list.isFetchingMore} onClick={list.fetchMore}>
            {t('more')}
          </Button>
        </Group>
      )}
      {open && <Viewer pictures={rows} open={open} onMove={setOpen} onClose={() => setOpen(null)} />}
      {isAdding && <AddDialog subject={subject} onClose={() => setAdding(false)} />}
    </Panel>
  );
}
