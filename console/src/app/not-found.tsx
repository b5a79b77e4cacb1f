import { useTranslation } from 'react-i18next';
import { AppLink } from '../ui/link';
import { EmptyState } from '../ui/states';

export function NotFound() {
  const { t } = useTranslation('common');
  return (
    <EmptyState
      title={t('notFound.title')}
      text={t('notFound.text')}
      action={<AppLink to="/">{t('notFound.home')}</AppLink>}
    />
  );
}
