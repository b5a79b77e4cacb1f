import { useTranslation } from 'react-i18next';
import { useRight } from '../api/session';
import type { Right } from '../api/types';
import { EmptyState } from '../ui/states';

/** Shows what is inside to people with a right, and to others that it is missing. */
export function RightNeeded({ right, children }: { right: Right; children: React.ReactNode }) {
  const { t } = useTranslation('common');
  if (useRight(right)) return children;
  return <EmptyState title={t('noRight.title')} text={t('noRight.text', { right: t(`right.${right}`) })} />;
}
