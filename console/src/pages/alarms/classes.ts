import { useQuery } from '@tanstack/react-query';
import { overviewQuery } from '../../api/lists';

/** The classes of the devices there are, by id; those without one are left out. */
export function useClassIds(site: string | null): string[] {
  const { data } = useQuery(overviewQuery(site));
  return (data?.classes ?? []).map((each) => each.class).filter((id) => id !== '');
}
