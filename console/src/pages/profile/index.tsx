/** The person who is signed in: account, rights, password, display. */
import {
  Badge,
  Group,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Text,
  useMantineColorScheme,
} from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useTranslation } from 'react-i18next';
import { useSites } from '../../api/lists';
import { useSession } from '../../api/session';
import { type Language, switchLanguage } from '../../i18n';
import { useWords } from '../../i18n/words';
import { Facts } from '../../ui/facts';
import { PageBody, PageHeader, Panel } from '../../ui/page';
import { PasswordForm } from '../sign-in/password-form';

export default function Profile() {
  const { t, i18n } = useTranslation('profile');
  const session = useSession();
  const sites = useSites();
  const words = useWords();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const siteName = (id: string) => words.name(sites.find((site) => site.id === id)?.name, id);
  return (
    <PageBody>
      <PageHeader title={t('title')} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="sm">
        <Stack gap="sm">
          <Panel title={t('who')}>
            <Facts
              facts={[
                { label: t('name'), value: session.name },
                { label: t('displayName'), value: session.display_name || '—' },
                {
                  label: t('roles'),
                  value: (
                    <Stack gap={4}>
                      {session.grants.map((grant) => (
                        <span key={`${grant.role} ${grant.sites?.join(' ') ?? ''}`}>
                          {t(`role.${grant.role}`)} ·{' '}
                          {grant.sites ? grant.sites.map(siteName).join(', ') : t('allSites')}
                        </span>
                      ))}
                    </Stack>
                  ),
                },
                {
                  label: t('rights'),
                  value: (
                    <Group gap={4}>
                      {session.rights.map((right) => (
                        <Badge key={right} variant="light" tt="none">
                          {t(`right.${right}`)}
                        </Badge>
                      ))}
                    </Group>
                  ),
                },
              ]}
            />
          </Panel>
          <Panel title={t('preferences')}>
            <Stack gap="sm">
              <div>
                <Text size="sm" mb={4}>
                  {t('language')}
                </Text>
                <SegmentedControl
                  value={i18n.language}
                  onChange={(value) => void switchLanguage(value as Language)}
                  data={[
                    { value: 'zh', label: '中文' },
                    { value: 'en', label: 'English' },
                  ]}
                />
              </div>
              <div>
                <Text size="sm" mb={4}>
                  {t('scheme')}
                </Text>
                <SegmentedControl
                  value={colorScheme}
                  onChange={(value) => setColorScheme(value as 'auto' | 'light' | 'dark')}
                  data={[
                    { value: 'auto', label: t('schemeAuto') },
                    { value: 'light', label: t('schemeLight') },
                    { value: 'dark', label: t('schemeDark') },
                  ]}
                />
              </div>
            </Stack>
          </Panel>
        </Stack>
        <Panel title={t('password')}>
          <Text c="dimmed" size="sm" mb="sm">
            {t('passwordText')}
          </Text>
          <PasswordForm onDone={() => notifications.show({ message: t('done'), color: 'teal' })} />
        </Panel>
      </SimpleGrid>
    </PageBody>
  );
}
