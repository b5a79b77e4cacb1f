import { Menu } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useTranslation } from 'react-i18next';
import { useSession, useSignOut } from '../api/session';
import { IconSignOut, IconUser } from '../ui/icons';
import { useGo } from '../ui/link';
import { useProblemText } from '../ui/states';
import classes from './shell.module.css';

export function UserMenu() {
  const { t } = useTranslation('common');
  const session = useSession();
  const signOut = useSignOut();
  const go = useGo();
  const problemText = useProblemText();
  const leave = () =>
    signOut().catch((problem: unknown) =>
      notifications.show({ title: t('user.stillIn'), message: problemText(problem), color: 'red' }),
    );
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <button type="button" className={classes['tool']} aria-label={t('user.menu')}>
          <IconUser />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{session.display_name || session.name}</Menu.Label>
        <Menu.Item leftSection={<IconUser size={16} />} onClick={() => go('/profile')}>
          {t('user.profile')}
        </Menu.Item>
        <Menu.Item leftSection={<IconSignOut size={16} />} onClick={() => void leave()}>
          {t('user.signOut')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
