/** A new picture, from the camera of a phone or from a file. */
import { Button, FileButton, Group, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../api/client';
import { MomentField } from '../ui/date-fields';
import { FormDialog } from '../ui/form-dialog';
import { IconCamera, IconUpload } from '../ui/icons';
import { serverNow } from '../ui/now';
import { bytesText } from '../ui/number';
import { useZone } from '../ui/zone';
import classes from './evidence.module.css';
import { fits, shrink } from './shrink';
import type { Evidence, Subject } from './types';

/** What is going to be sent. */
interface Chosen {
  picture: Blob;
  /** Where the page finds it to show it. */
  address: string;
  isSmaller: boolean;
}

export function AddDialog({ subject, onClose }: { subject: Subject; onClose: () => void }) {
  const { t } = useTranslation('evidence');
  const client = useQueryClient();
  const zone = useZone(subject.site);
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [unreadable, setUnreadable] = useState(false);
  const [note, setNote] = useState('');
  const [taken, setTaken] = useState<number | null>(null);
  useEffect(() => () => URL.revokeObjectURL(chosen?.address ?? ''), [chosen]);
  const take = async (file: File | null) => {
    if (!file) return;
    const picture = await shrink(file);
    setUnreadable(picture === null);
    setChosen(picture && { picture, address: URL.createObjectURL(picture), isSmaller: !fits(file) });
    // The collector refuses what is still to come, and the clock of a phone may be ahead.
    setTaken(Math.min(file.lastModified, serverNow()));
  };
  const send = async () => {
    if (!chosen) return null;
    return api.post<Evidence>(`/devices/${encodeURIComponent(subject.device)}/evidence`, chosen.picture, {
      alarm: subject.alarm,
      taken_ms: taken === null ? null : String(Math.floor(taken)),
      note: note.trim(),
    });
  };
  const done = () => {
    void client.invalidateQueries({ queryKey: ['evidence'] });
    notifications.show({ message: t('added'), color: 'teal' });
    onClose();
  };
  return (
    <FormDialog
      title={t('add')}
      submit={t('send')}
      disabled={chosen === null}
      onSubmit={send}
      onDone={done}
      onClose={onClose}
    >
      <Group gap="xs">
        <FileButton onChange={(file) => void take(file)} accept="image/*" capture="environment">
          {(props) => (
            <Button {...props} className={classes.camera ?? ''} leftSection={<IconCamera size={16} />}>
              {t('takeOne')}
            </Button>
          )}
        </FileButton>
        <FileButton onChange={(file) => void take(file)} accept="image/*">
          {(props) => (
            <Button {...props} variant="default" leftSection={<IconUpload size={16} />} data-autofocus>
              {t('choose')}
            </Button>
          )}
        </FileButton>
      </Group>
      {unreadable && (
        <Text c="var(--k-bad)" size="sm" role="alert">
          {t('unreadable')}
        </Text>
      )}
      {chosen && (
        <>
          <img className={classes.preview} src={chosen.address} alt={t('preview')} />
          <Text size="xs" c="dimmed">
            {t(chosen.isSmaller ? 'smaller' : 'asItIs', { size: bytesText(chosen.picture.size) })}
          </Text>
          <MomentField label={t('taken')} required ms={taken} zone={zone} onChange={setTaken} />
        </>
      )}
      <TextInput
        label={t('note')}
        placeholder={t('noteHint')}
        maxLength={500}
        value={note}
        onChange={(event) => setNote(event.currentTarget.value)}
      />
    </FormDialog>
  );
}
