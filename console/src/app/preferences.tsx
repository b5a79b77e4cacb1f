/** Language and colours: each person's own, kept in the browser. */
import { Tooltip, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { switchLanguage } from '../i18n';
import { IconMoon, IconSun } from '../ui/icons';
import classes from './shell.module.css';

export function LanguageSwitch({ className }: { className?: string }) {
  const { t, i18n } = useTranslation('common');
  const other = i18n.language === 'zh' ? 'en' : 'zh';
  return (
    <button
      type="button"
      className={className ?? classes['tool']}
      lang={other === 'zh' ? 'zh-CN' : 'en'}
      onClick={() => void switchLanguage(other)}
    >
      {t('otherLanguage')}
    </button>
  );
}

export function SchemeSwitch({ className }: { className?: string }) {
  const { t } = useTranslation('common');
  const { setColorScheme } = useMantineColorScheme();
  const isDark = useComputedColorScheme('light') === 'dark';
  const label = t(isDark ? 'scheme.light' : 'scheme.dark');
  return (
    <Tooltip label={label}>
      <button
        type="button"
        className={className ?? classes['tool']}
        aria-label={label}
        onClick={() => setColorScheme(isDark ? 'light' : 'dark')}
      >
        {isDark ? <IconSun /> : <IconMoon />}
      </button>
    </Tooltip>
  );
}
