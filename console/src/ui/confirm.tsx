/** Asks before something is done that cannot be taken back. */
import { Textarea } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { FormDialog } from './form-dialog';

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

export function ConfirmDialog(props: ConfirmDialogProps) {
  const { opened, title, children, confirm, danger, reason, reasonLabel, onConfirm, onClose } = props;
  const { t } = useTranslation('common');
  const [text, setText] = useState('');
  const close = () => {
    setText('');
    onClose();
  };
  return (
    <FormDialog
      opened={opened}
      title={title}
      submit={confirm}
      color={danger ? 'red' : 'harbor'}
      disabled={props.disabled || (reason === 'required' && text.trim() === '')}
      focusSubmit
      onSubmit={() => onConfirm(text.trim())}
      onClose={close}
    >
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
    </FormDialog>
  );
}
