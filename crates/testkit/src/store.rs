//! The store of a server, for tests that prepare in it what no command can.

use homeportd::store::sql::SqlStore;

use crate::server::TestServer;

/// Does something with the server's store, whether or not the server is running.
pub fn with_store<T: Send>(server: &TestServer, work: impl AsyncFnOnce(&SqlStore) -> T + Send) -> T {
    let database = server.path().join("data/homeport.db");
    let homes = server.path().join("data/homes");
    let run = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let store = SqlStore::open(&database).await.unwrap();
            let store = store.with_homes(std::fs::canonicalize(&homes).unwrap(), &homes);
            work(&store).await
        })
    };
    // The caller may be in a runtime of its own, in which no other one can run.
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}
