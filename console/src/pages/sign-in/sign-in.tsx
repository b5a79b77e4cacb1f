import { Alert, Button, Divider, PasswordInput, TextInput, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { providerQuery, SESSION_KEY, signIn } from '../../api/session';
import { useProblemText } from '../../ui/states';
import { SignInFrame } from './frame';

/** `hasEnded`: the person was signed in until now. */
export function SignIn({ hasEnded }: { hasEnded: boolean }) {
  const { t } = useTranslation('sign-in');
  const client = useQueryClient();
  const problemText = useProblemText();
  const hasProvider = useQuery(providerQuery).data === true;
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const trying = useMutation({
    mutationFn: () => signIn(name.trim(), password),
    onSuccess: (session) => client.setQueryData(SESSION_KEY, session),
    onError: () => setPassword(''),
  });
  useEffect(() => {
    document.title = t('windowTitle');
  }, [t]);
  return (
    <SignInFrame>
      <Title order={1}>{t('title')}</Title>
      {hasEnded && !trying.error && (
        <Alert color="blue" variant="light">
          {t('ended')}
        </Alert>
      )}
      {trying.error && (
        <Alert color="red" variant="light" role="alert">
          {problemText(trying.error)}
        </Alert>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          trying.mutate();
        }}
      >
        <TextInput
          label={t('name')}
          name="username"
          autoComplete="username"
          autoFocus
          required
          size="md"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <PasswordInput
          mt="sm"
          label={t('password')}
          name="password"
          autoComplete="current-password"
          required
          size="md"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Button type="submit" fullWidth mt="lg" size="md" loading={trying.isPending}>
          {t('submit')}
        </Button>
      </form>
      {hasProvider && (
        <>
          <Divider label={t('or')} />
          <Button component="a" href="/api/v1/session/oidc" variant="default" fullWidth size="md">
            {t('provider')}
          </Button>
        </>
      )}
    </SignInFrame>
  );
}
