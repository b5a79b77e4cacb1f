import { Alert, Button, Text, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { SESSION_KEY, useSignOut } from '../../api/session';
import type { Session } from '../../api/types';
import { useProblemText } from '../../ui/states';
import { SignInFrame } from './frame';
import { PasswordForm } from './password-form';

/** Nothing else is possible until the password that somebody else made is replaced. */
export function FirstPassword({ session }: { session: Session }) {
  const { t } = useTranslation('sign-in');
  const client = useQueryClient();
  const leaving = useMutation({ mutationFn: useSignOut() });
  const problemText = useProblemText();
  return (
    <SignInFrame>
      <Title order={1}>{t('firstTitle')}</Title>
      <Text c="dimmed">{t('firstText', { name: session.display_name || session.name })}</Text>
      <PasswordForm first onDone={() => void client.invalidateQueries({ queryKey: SESSION_KEY })} />
      {leaving.error && <Alert color="red">{problemText(leaving.error)}</Alert>}
      <Button variant="subtle" loading={leaving.isPending} onClick={() => leaving.mutate()}>
        {t('later')}
      </Button>
    </SignInFrame>
  );
}
