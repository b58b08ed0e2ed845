export async function bootDhcp(): Promise<void> {}
