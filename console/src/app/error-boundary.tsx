/** What stands there when the console itself fails. */

import { Button, Code, Stack, Text, Title } from '@mantine/core';
import { Component, type ErrorInfo, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

/** A page that cannot be drawn, or whose code did not arrive. */
export function Broken({ error, reset }: { error: unknown; reset?: () => void }) {
  const { t } = useTranslation('common');
  return (
    <Stack align="center" gap="sm" p="xl" maw={640} mx="auto" mt="10vh" role="alert">
      <Title order={1}>{t('broken.title')}</Title>
      <Text c="dimmed" ta="center">
        {t('broken.text')}
      </Text>
      <Code block>{error instanceof Error ? error.message : String(error)}</Code>
      <Button
        onClick={() => {
          reset?.();
          window.location.reload();
        }}
      >
        {t('broken.reload')}
      </Button>
    </Stack>
  );
}

interface State {
  error: unknown;
}

export class ErrorBoundary extends Component<{ children: ReactNode }, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: unknown): State {
    return { error };
  }

  override componentDidCatch(_error: unknown, _info: ErrorInfo): void {
    // React has written it to the browser's console; there is nobody else to tell.
  }

  override render(): ReactNode {
    if (this.state.error !== null) return <Broken error={this.state.error} />;
    return this.props.children;
  }
}
