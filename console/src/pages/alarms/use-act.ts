/** Does something to alarms and tells how it went. */
import { notifications } from '@mantine/notifications';
import { useTranslation } from 'react-i18next';
import { currentLanguage } from '../../i18n';
import { useAct } from './data';
import type { ActRequest } from './types';

export interface Acting {
  busy: boolean;
  run: (request: ActRequest) => Promise<void>;
}

export function useActing(): Acting {
  const { t } = useTranslation('alarms');
  const act = useAct();
  const run = async (request: ActRequest) => {
    const results = await act.mutateAsync(request);
    const failed = results.filter(({ done }) => !done);
    const done = results.length - failed.length;
    const why = [
      ...new Set(
        failed
          .map(({ problem, problem_zh }) => (currentLanguage() === 'zh' && problem_zh) || problem)
          .filter((problem) => problem),
      ),
    ];
    notifications.show(
      failed.length === 0
        ? { message: t('act.done', { count: done }), color: 'teal', autoClose: 2500 }
        : {
            title: t('act.partly', { done, failed: failed.length }),
            message: why.join('; '),
            color: 'orange',
            autoClose: 8000,
          },
    );
  };
  return { busy: act.isPending, run };
}
