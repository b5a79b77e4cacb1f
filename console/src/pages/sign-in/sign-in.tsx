import { Alert, Button, Divider, PasswordInput, TextInput, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { providerQuery, SESSION_KEY, signIn } from '../../api/session';
import { useProblemText } from '../../ui/states';
import { SignInFrame } from './frame';

/** Why the identity provider's sign-in failed; the collector says it in the address that it leads back to. */
const REFUSED = 'sign-in';

function refusal(): string | null {
  return new URLSearchParams(window.location.search).get(REFUSED);
}

/** `hasEnded`: the person was signed in until now, and did not end it. */
export function SignIn({ hasEnded }: { hasEnded: boolean }) {
  const { t, i18n } = useTranslation('sign-in');
  const client = useQueryClient();
  const problemText = useProblemText();
  const hasProvider = useQuery(providerQuery).data === true;
  const [refused] = useState(refusal);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const trying = useMutation({
    mutationFn: () => signIn(name.trim(), password),
    onSuccess: (session) => client.setQueryData(SESSION_KEY, session),
    onError: () => setPassword(''),
  });
  useEffect(() => {
    // Said once: whoever reloads the page, or keeps its address, has not been refused again.
    if (refused === null) return;
    const address = new URL(window.location.href);
    address.searchParams.delete(REFUSED);
    window.history.replaceState(window.history.state, '', address);
  }, [refused]);
  useEffect(() => {
    document.title = t('windowTitle');
  }, [t]);
  return (
    <SignInFrame>
      <Title order={1}>{t('title')}</Title>
      {refused !== null && !trying.error && (
        <Alert color="red" variant="light" role="alert">
          {t(i18n.exists(`common:problem.${refused}`) ? `problem.${refused}` : 'problem.sign-in-refused')}
        </Alert>
      )}
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
