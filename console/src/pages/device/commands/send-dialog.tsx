/** Asks whether a command is meant, sends it once, and follows it until it is known what became of it. */
import { Alert, Button, Group, Modal, Stack, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../../api/client';
import type { CommandDetail, DeviceDetail } from '../../../api/types';
import { useWords } from '../../../i18n/words';
import { FormDialog } from '../../../ui/form-dialog';
import { ArgumentFields } from './argument-fields';
import { type ActionSpec, checkArguments, type Typed } from './arguments';
import { Outcome } from './outcome';

interface SendDialogProps {
  device: DeviceDetail;
  action: ActionSpec;
  onClose: () => void;
}

/** Names a request; a repetition of it is the same command, never a second one. Works without a secure origin too. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function SendDialog({ device, action, onClose }: SendDialogProps) {
  const { t } = useTranslation('device');
  const words = useWords();
  const client = useQueryClient();
  const [typed, setTyped] = useState<Typed>({});
  const [why, setWhy] = useState('');
  const [sent, setSent] = useState<string | null>(null);
  const key = useRef(newKey());
  const { values, problems } = checkArguments(action.arguments, typed);
  const isReady = Object.keys(problems).length === 0;
  const name = words.action(action.name);

  const change = (argument: string, value: string) => {
    setTyped({ ...typed, [argument]: value });
    // Something else is asked for now; it must not be taken for the request before.
    key.current = newKey();
  };
  const send = async () => {
    const path = `/devices/${encodeURIComponent(device.id)}/commands`;
    const request = { action: action.name, arguments: values, why: why.trim() };
    const command = await api.post<CommandDetail>(path, request, {}, { 'idempotency-key': key.current });
    client.setQueryData(['command', command.id], command);
    void client.invalidateQueries({ queryKey: ['commands'] });
    setSent(command.id);
  };

  const title = `${device.label} · ${name}`;
  if (sent) {
    return (
      <Modal opened onClose={onClose} title={title} closeButtonProps={{ 'aria-label': t('close') }}>
        <Stack gap="sm">
          <Outcome id={sent} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('close')}
            </Button>
          </Group>
        </Stack>
      </Modal>
    );
  }
  return (
    <FormDialog
      title={title}
      submit={t('command.send', { action: name })}
      color={action.moves ? 'orange' : 'harbor'}
      disabled={!isReady}
      onSubmit={send}
      // What became of it is shown next.
      onDone={() => {}}
      onClose={onClose}
    >
      {action.moves && (
        <Alert color="orange" variant="light" title={t('command.movesTitle')}>
          {t('command.movesText')}
        </Alert>
      )}
      {(device.health.level === 'unreachable' || !device.health.current) && (
        <Alert color="red" variant="light">
          {t('command.notReachable')}
        </Alert>
      )}
      <ArgumentFields specs={action.arguments} typed={typed} problems={problems} onChange={change} />
      <TextInput
        label={t('command.why')}
        maxLength={200}
        value={why}
        onChange={(event) => setWhy(event.currentTarget.value)}
      />
    </FormDialog>
  );
}
