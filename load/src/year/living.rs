//! Agents that live and send while something is measured.

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::collector::Collector;
use crate::fleet::play::Playing;
use crate::played_agent::client;

/// Agents at work.
pub(super) struct Living {
    tasks: JoinSet<(Playing, anyhow::Result<()>)>,
    stop: CancellationToken,
}

impl Living {
    pub(super) fn begin(agents: Vec<Playing>) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        for mut playing in agents {
            let stop = stop.clone();
            tasks.spawn(async move {
                let ended = playing.live_on(stop).await;
                (playing, ended)
            });
        }
        Self { tasks, stop }
    }

    /// Stops them in order.
    pub(super) async fn end(self) -> anyhow::Result<Vec<Playing>> {
        let mut agents = Vec::new();
        for (playing, ended) in self.ended().await? {
            ended?;
            agents.push(playing);
        }
        Ok(agents)
    }

    /// Stops them after their collector was killed: most were cut off.
    pub(super) async fn cut_off(self) -> anyhow::Result<Vec<Playing>> {
        Ok(self.ended().await?.into_iter().map(|(playing, _)| playing).collect())
    }

    async fn ended(mut self) -> anyhow::Result<Vec<(Playing, anyhow::Result<()>)>> {
        self.stop.cancel();
        let mut ended = Vec::new();
        while let Some(task) = self.tasks.join_next().await {
            ended.push(task?);
        }
        Ok(ended)
    }
}

/// All agents say hello to a collector that was started again, and send what it did not confirm.
pub(super) async fn greet(agents: &mut [Playing], collector: &Collector) -> anyhow::Result<()> {
    let http = client()?;
    for playing in agents {
        playing.again(http.clone(), &collector.url).await?;
    }
    Ok(())
}
