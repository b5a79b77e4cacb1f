import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useProblemText } from '../../ui/states';
import { forEach } from './bulk';

/** Runs something for many devices and tells how it went; throws when nothing at all was done. */
export function useBulk(): [
  number,
  (ids: readonly string[], act: (id: string) => Promise<unknown>) => Promise<void>,
] {
  const { t } = useTranslation('devices');
  const client = useQueryClient();
  const problemText = useProblemText();
  const [through, setThrough] = useState(0);
  const run = async (ids: readonly string[], act: (id: string) => Promise<unknown>) => {
    setThrough(0);
    const { done, failed } = await forEach(ids, act, setThrough);
    void client.invalidateQueries({ queryKey: ['devices'] });
    const first = failed[0];
    if (first && done === 0) throw first.error;
    if (first) {
      const text = t('bulk.partly', { done, failed: failed.length, problem: problemText(first.error) });
      notifications.show({ message: text, color: 'orange', autoClose: false });
    } else {
      notifications.show({ message: t('bulk.done', { count: done }), color: 'teal' });
    }
  };
  return [through, run];
}
