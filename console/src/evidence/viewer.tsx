/** One picture as large as the window allows. Arrows go on to the next, Esc closes. */
import { ActionIcon, Button, Group, Modal, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../api/client';
import { useRight } from '../api/session';
import { ConfirmDialog } from '../ui/confirm';
import { IconDownload, IconLeft, IconRight, IconTrash } from '../ui/icons';
import { AppLink } from '../ui/link';
import { bytesText } from '../ui/number';
import { TimeText } from '../ui/time-text';
import { ToolButton } from '../ui/tool-button';
import classes from './evidence.module.css';
import { Absent, addressOf, useAlt } from './tile';
import type { Evidence } from './types';

interface ViewerProps {
  pictures: readonly Evidence[];
  /** The id of the one that is shown. */
  open: string;
  onMove: (id: string) => void;
  onClose: () => void;
}

export function Viewer({ pictures, open, onMove, onClose }: ViewerProps) {
  const { t } = useTranslation('evidence');
  const { t: common } = useTranslation('common');
  const client = useQueryClient();
  const [isRemoving, setRemoving] = useState(false);
  const at = pictures.findIndex((each) => each.id === open);
  const evidence = pictures[at];
  const mayRemove = useRight('admin', evidence?.site);
  const before = pictures[at - 1];
  const after = pictures[at + 1];
  useEffect(() => {
    if (isRemoving) return;
    const onKey = (event: KeyboardEvent) => {
      const to = event.key === 'ArrowLeft' ? before : event.key === 'ArrowRight' ? after : undefined;
      if (to) onMove(to.id);
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [before, after, onMove, isRemoving]);
  if (!evidence) return null;
  const remove = async (reason: string) => {
    await api.delete(`/evidence/${encodeURIComponent(evidence.id)}`, { reason });
    await client.invalidateQueries({ queryKey: ['evidence'] });
  };
  return (
    <Modal
      opened
      onClose={onClose}
      size="min(100vw, 90rem)"
      title={
        <Group gap="sm">
          <TimeText ms={evidence.taken_ms} site={evidence.site} />
          <span className="k-dim">{t('place', { at: at + 1, count: pictures.length })}</span>
        </Group>
      }
      closeButtonProps={{ 'aria-label': common('close') }}
      // The question before removing it has the keys then.
      closeOnEscape={!isRemoving}
    >
      <div className={classes.stage}>
        <Large key={evidence.id} evidence={evidence} />
        <ActionIcon
          className={classes.before}
          size="xl"
          variant="default"
          aria-label={t('before')}
          disabled={!before}
          onClick={() => before && onMove(before.id)}
        >
          <IconLeft />
        </ActionIcon>
        <ActionIcon
          className={classes.after}
          size="xl"
          variant="default"
          aria-label={t('after')}
          disabled={!after}
          onClick={() => after && onMove(after.id)}
        >
          <IconRight />
        </ActionIcon>
      </div>
      <Group justify="space-between" align="flex-start" mt="sm">
        <div>
          {evidence.note && <Text fw={600}>{evidence.note}</Text>}
          <Text size="sm" c="dimmed">
            {t(`by.${evidence.by_kind}`, { name: evidence.by })} · {evidence.width}×{evidence.height} ·{' '}
            {bytesText(evidence.bytes)}
          </Text>
          {evidence.alarm && <AppLink to={`/alarms/${evidence.alarm}`}>{t('ofAlarm')}</AppLink>}
        </div>
        {evidence.state === 'kept' && (
          <Group gap="xs">
            <Button
              size="xs"
              variant="default"
              component="a"
              href={addressOf(evidence)}
              download={`${evidence.id}.${evidence.media_type.replace('image/', '').replace('jpeg', 'jpg')}`}
              leftSection={<IconDownload size={14} />}
            >
              {t('download')}
            </Button>
            {mayRemove && (
              <ToolButton icon={IconTrash} onClick={() => setRemoving(true)}>
                {t('remove')}
              </ToolButton>
            )}
          </Group>
        )}
      </Group>
      <ConfirmDialog
        opened={isRemoving}
        title={t('removeTitle')}
        confirm={t('remove')}
        danger
        reason="required"
        onConfirm={remove}
        onClose={() => setRemoving(false)}
      >
        <Text size="sm">{t('removeText')}</Text>
      </ConfirmDialog>
    </Modal>
  );
}

function Large({ evidence }: { evidence: Evidence }) {
  const altOf = useAlt();
  const [failed, setFailed] = useState(false);
  if (evidence.state !== 'kept' || failed) return <Absent evidence={evidence} failed={failed} />;
  return <img src={addressOf(evidence)} alt={altOf(evidence)} onError={() => setFailed(true)} />;
}
