import { Alert, Button, PasswordInput, Stack } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useProblemText } from '../../ui/states';

/** The shortest password that the collector takes. */
const SHORTEST = 10;

/** Replaces the person's password. `first`: the present one was made by somebody else. */
export function PasswordForm({ first, onDone }: { first?: boolean; onDone: () => void }) {
  const { t } = useTranslation('sign-in');
  const problemText = useProblemText();
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [again, setAgain] = useState('');
  const change = useMutation({
    mutationFn: () => api.put<void>('/session/password', { current, new: next }),
    onSuccess: () => {
      setCurrent('');
      setNext('');
      setAgain('');
      onDone();
    },
  });
  const isShort = next !== '' && [...next].length < SHORTEST;
  const differs = again !== '' && again !== next;
  const isReady = current !== '' && [...next].length >= SHORTEST && again === next;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (isReady) change.mutate();
      }}
    >
      <Stack gap="sm">
        {change.error && (
          <Alert color="red" variant="light" role="alert">
            {problemText(change.error)}
          </Alert>
        )}
        <PasswordInput
          label={t(first ? 'given' : 'current')}
          autoComplete="current-password"
          required
          value={current}
          onChange={(event) => setCurrent(event.currentTarget.value)}
        />
        <PasswordInput
          label={t('new')}
          description={t('rule', { count: SHORTEST })}
          autoComplete="new-password"
          required
          error={isShort && t('short', { count: SHORTEST })}
          value={next}
          onChange={(event) => setNext(event.currentTarget.value)}
        />
        <PasswordInput
          label={t('again')}
          autoComplete="new-password"
          required
          error={differs && t('differs')}
          value={again}
          onChange={(event) => setAgain(event.currentTarget.value)}
        />
        <Button type="submit" mt="xs" loading={change.isPending} disabled={!isReady}>
          {t('change')}
        </Button>
      </Stack>
    </form>
  );
}
