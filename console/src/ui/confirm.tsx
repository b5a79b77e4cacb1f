/** Asks before something is done that cannot be taken back. */
import { Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useProblemText } from './states';

interface ConfirmDialogProps {
  opened: boolean;
  title: string;
  children?: React.ReactNode;
  confirm: string;
  /** It harms, moves or deletes something. */
  danger?: boolean;
  /** Asks for a reason: `required`, or left to the person. */
  reason?: 'required' | 'optional';
  reasonLabel?: string;
  /** Whether the button waits for something else. */
  disabled?: boolean;
  onConfirm: (reason: string) => Promise<unknown>;
  onClose: () => void;
}

/** Stays open with the problem when `onConfirm` fails, and closes when it is done. */
export function ConfirmDialog(props: ConfirmDialogProps) {
  const { opened, title, children, confirm, danger, reason, reasonLabel, disabled, onConfirm, onClose } =
    props;
  const { t } = useTranslation('common');
  const problemText = useProblemText();
  const [text, setText] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const close = () => {
    setText('');
    setProblem(null);
    onClose();
  };
  const run = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await onConfirm(text.trim());
      close();
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  const isBlocked = disabled || (reason === 'required' && text.trim() === '');
  return (
    <Modal
      opened={opened}
      onClose={busy ? () => {} : close}
      title={title}
      closeButtonProps={{ 'aria-label': t('close') }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!isBlocked && !busy) void run();
        }}
      >
        <Stack gap="sm">
          {children}
          {reason && (
            <Textarea
              label={reasonLabel ?? t('reason')}
              required={reason === 'required'}
              maxLength={500}
              autosize
              minRows={2}
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
            />
          )}
          {problem !== null && (
            <Text c="var(--k-bad)" size="sm" role="alert">
              {problemText(problem)}
            </Text>
          )}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close} disabled={busy}>
              {t('cancel')}
            </Button>
            <Button
              type="submit"
              color={danger ? 'red' : 'harbor'}
              loading={busy}
              disabled={isBlocked}
              data-autofocus
            >
              {confirm}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
