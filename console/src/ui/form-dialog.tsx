/** A form over the page: what it asks for, what went wrong, and two buttons. */
import { Button, Drawer, Group, Modal, type ModalProps, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useProblemText } from './states';

interface FormDialogProps<T> {
  /** Left out where the dialog is only mounted while it is open. */
  opened?: boolean;
  title: string;
  size?: ModalProps['size'];
  /** Beside the page instead of over it, for long forms. */
  drawer?: boolean;
  children?: React.ReactNode;
  /** What the button says that does it. */
  submit: string;
  /** Something is missing that the fields show themselves. */
  disabled?: boolean;
  color?: string;
  /** Whether Enter does it at once: for questions without fields. */
  focusSubmit?: boolean;
  /** Says what is wrong with what was entered; nothing is sent then. */
  check?: () => string | null;
  onSubmit: () => Promise<T>;
  /** Called instead of `onClose` once it is done. */
  onDone?: (result: T) => void;
  onClose: () => void;
}

/** Cannot be closed while it is busy, stays open with the problem, and closes when it is done. */
export function FormDialog<T>(props: FormDialogProps<T>) {
  const { opened = true, title, size, drawer, children, disabled, check, onSubmit } = props;
  const { t } = useTranslation('common');
  const problemText = useProblemText();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const close = () => {
    if (busy) return;
    setProblem(null);
    props.onClose();
  };
  const run = async () => {
    const wrong = check?.() ?? null;
    setProblem(wrong);
    if (wrong !== null) return;
    setBusy(true);
    try {
      const result = await onSubmit();
      if (props.onDone) props.onDone(result);
      else props.onClose();
    } catch (error) {
      setProblem(problemText(error));
    } finally {
      setBusy(false);
    }
  };
  const form = (
    <form
      // What is wrong is said in the words of the page, and not in those of the browser.
      noValidate={check !== undefined}
      onSubmit={(event) => {
        event.preventDefault();
        if (!disabled && !busy) void run();
      }}
    >
      <Stack gap="sm">
        {children}
        {problem !== null && (
          <Text c="var(--k-bad)" size="sm" role="alert">
            {problem}
          </Text>
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close} disabled={busy}>
            {t('cancel')}
          </Button>
          <Button
            type="submit"
            color={props.color ?? 'harbor'}
            loading={busy}
            disabled={disabled ?? false}
            data-autofocus={props.focusSubmit || undefined}
          >
            {props.submit}
          </Button>
        </Group>
      </Stack>
    </form>
  );
  const frame = { opened, onClose: close, title, closeButtonProps: { 'aria-label': t('close') } };
  if (drawer) {
    return (
      <Drawer {...frame} position="right" size={size ?? 'lg'}>
        {form}
      </Drawer>
    );
  }
  return (
    <Modal {...frame} {...(size ? { size } : {})}>
      {form}
    </Modal>
  );
}
