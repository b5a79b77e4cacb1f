/** The frame of the pages before the console: a quay at night on one side, the form on the other. */
import { Group, Stack } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { LanguageSwitch, SchemeSwitch } from '../../app/preferences';
import { Brand } from '../../app/shell';
import classes from './sign-in.module.css';

export function SignInFrame({ children }: { children: React.ReactNode }) {
  const { t } = useTranslation('sign-in');
  return (
    <div className={classes['page']}>
      <aside className={classes['side']}>
        <Brand />
        <p className={classes['claim']}>{t('claim')}</p>
        <Quay />
      </aside>
      <main className={classes['main']}>
        <Group justify="flex-end" gap={4} className={classes['tools'] ?? ''}>
          <LanguageSwitch className={classes['tool'] ?? ''} />
          <SchemeSwitch className={classes['tool'] ?? ''} />
        </Group>
        <Stack className={classes['form'] ?? ''} gap="md">
          {children}
        </Stack>
      </main>
    </div>
  );
}

function Quay() {
  return (
    <svg
      className={classes['quay']}
      viewBox="0 0 400 180"
      preserveAspectRatio="xMidYMax slice"
      aria-hidden="true"
    >
      <g fill="none" stroke="#2b6676" strokeWidth="2" strokeLinecap="round" strokeLinejoin="round">
        <path d="M0 158h400" />
        <path d="M36 158V62h10v96M46 62 150 62M46 62 41 40 36 62M41 40l70 22M96 62v26" />
        <path d="M84 88h24v14H84z" />
        <path d="M176 158v-52h120v52M176 106l60-26 60 26M200 158v-32h20v32M230 158v-32h20v32M260 158v-32h20v32" />
        <path d="M322 158v-70h4v70M326 94h58M338 94v6M352 94v6M366 94v6" />
        <path d="M0 168c20-6 20 6 40 0s20 6 40 0 20 6 40 0 20 6 40 0 20 6 40 0 20 6 40 0 20 6 40 0 20 6 40 0 20 6 40 0 20 6 40 0" />
      </g>
    </svg>
  );
}
