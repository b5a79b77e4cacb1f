/** A secret that is shown once: a first password, a key, a token. */
import { Button, Code, CopyButton, Group, Modal, Stack, Text } from '@mantine/core';

interface OnceProps {
  title: string;
  text: string;
  secret: string;
  words: { copy: string; copied: string; done: string };
  onClose: () => void;
}

/** Closes by its button only: a click beside it must not lose what nobody can show again. */
export function Once({ title, text, secret, words, onClose }: OnceProps) {
  return (
    <Modal
      opened
      onClose={onClose}
      title={title}
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      <Stack gap="sm">
        <Text size="sm">{text}</Text>
        <Code block style={{ fontSize: '1rem', overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>
          {secret}
        </Code>
        <Group justify="flex-end" gap="xs">
          <CopyButton value={secret}>
            {({ copied, copy }) => (
              <Button variant="default" onClick={copy}>
                {copied ? words.copied : words.copy}
              </Button>
            )}
          </CopyButton>
          <Button onClick={onClose}>{words.done}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
