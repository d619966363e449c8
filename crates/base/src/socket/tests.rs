use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn pair() -> (Socket, TcpStream, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let cut = CancellationToken::new();
    (
        Socket::new(listener.accept().await.unwrap().0, cut.clone()).unwrap(),
        client,
        cut,
    )
}

#[tokio::test]
async fn output_is_held_back_until_the_input_is_used_up() {
    let (mut socket, mut client, _cut) = pair().await;
    client.write_all(b"12").await.unwrap();
    let mut one = [0];
    socket.read_exact(&mut one).await.unwrap();
    socket.write_all(b"a").await.unwrap();
    socket.flush().await.unwrap();
    assert_eq!(socket.shared.output().len(), 1, "a byte of input is left");
    socket.read_exact(&mut one).await.unwrap();
    assert_eq!(&one, b"2");
    let mut answer = [0];
    tokio::select! {
        _ = socket.read_exact(&mut one) => panic!("nothing was sent"),
        read = client.read_exact(&mut answer) => { read.unwrap(); }
    }
    assert_eq!(&answer, b"a");
    assert!(
        socket.input.is_none() && socket.shared.output().capacity() == 0,
        "idle sockets hold no buffers"
    );
}

#[tokio::test]
async fn a_callback_that_waits_can_push() {
    let (mut socket, mut client, _cut) = pair().await;
    client.write_all(b"12").await.unwrap();
    socket.read_exact(&mut [0]).await.unwrap();
    socket.write_all(b"a").await.unwrap();
    socket.flush().await.unwrap();
    socket.handle().push();
    client.read_exact(&mut [0]).await.unwrap();
}

#[tokio::test]
async fn large_streams_arrive_whole_both_ways() {
    let (socket, client, _cut) = pair().await;
    let data: Vec<u8> = (0..3_000_000u32).map(|i| i.to_le_bytes()[1]).collect();
    let (mut ours, mut our_out) = tokio::io::split(socket);
    let (mut theirs, mut their_out) = tokio::io::split(client);
    let (mut got, mut back) = (vec![0; data.len()], vec![0; data.len()]);
    let (a, b, c, d) = tokio::join!(
        async {
            our_out.write_all(&data).await?;
            our_out.flush().await
        },
        their_out.write_all(&data),
        ours.read_exact(&mut got),
        theirs.read_exact(&mut back),
    );
    a.unwrap();
    b.unwrap();
    c.unwrap();
    d.unwrap();
    assert!(got == data && back == data);
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_noticed_while_nobody_reads() {
    for (sends, resets) in [(false, false), (true, false), (false, true), (true, true)] {
        let (socket, mut client, _cut) = pair().await;
        let socket_handle = socket.handle();
        let mut hung_up = tokio::spawn(async move { socket_handle.hung_up().await });
        if sends {
            client.write_all(b"12").await.unwrap();
        }
        let early = tokio::time::timeout(HANG_UP_POLL * 3, &mut hung_up).await;
        assert!(early.is_err(), "it is still there");
        if resets {
            client.set_zero_linger().unwrap();
        }
        drop(client);
        hung_up.await.unwrap();
        drop(socket);
    }
}

/// Bytes behind an urgent one are read, although nothing arrives after them.
#[tokio::test]
async fn urgent_data_is_left_out_and_stops_nothing() {
    use rustix::net::{SendFlags, send};
    /// MSG_OOB, which rustix does not name.
    const URGENT: SendFlags = SendFlags::from_bits_retain(1);
    let (mut socket, client, _cut) = pair().await;
    let mut client = client.into_std().unwrap();
    client.set_nonblocking(false).unwrap();
    for _ in 0..3 {
        client.write_all(b"ab").unwrap();
        assert_eq!(send(&client, b"!", URGENT).unwrap(), 1);
        client.write_all(b"cd").unwrap();
        // All of it has arrived before it is read.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut got = [0; 4];
        let read = tokio::time::timeout(Duration::from_secs(10), socket.read_exact(&mut got));
        read.await.expect("the bytes behind the urgent one").unwrap();
        assert_eq!(&got, b"abcd");
    }
    // A socket without input waits: it does not ask the kernel again and again.
    let mut polls = 0;
    let mut byte = [0];
    let mut waiting = std::pin::pin!(socket.read_exact(&mut byte));
    let quiet = tokio::time::timeout(
        Duration::from_millis(200),
        std::future::poll_fn(|cx| {
            polls += 1;
            waiting.as_mut().poll(cx)
        }),
    );
    assert!(quiet.await.is_err());
    assert!(polls <= 3, "{polls} polls of a socket that has nothing");
}

#[tokio::test]
async fn a_cut_ends_a_read_that_waits_and_a_write_that_waits() {
    let (mut socket, _client, cut) = pair().await;
    let end = tokio::spawn(async move { socket.read_exact(&mut [0]).await.unwrap_err().kind() });
    tokio::task::yield_now().await;
    cut.cancel();
    assert_eq!(end.await.unwrap(), io::ErrorKind::ConnectionAborted);

    let (mut socket, _client, cut) = pair().await;
    let end = tokio::spawn(async move {
        loop {
            if let Err(error) = socket.write_all(&[0; 100_000]).await {
                return error.kind();
            }
        }
    });
    tokio::task::yield_now().await;
    cut.cancel();
    assert_eq!(end.await.unwrap(), io::ErrorKind::ConnectionAborted);
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_noticed_when_another_event_loop_reports() {
    let (socket, client, _cut) = pair().await;
    let handle = socket.handle();
    let other = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let here = tokio::runtime::Handle::current();
    let mut hung_up = std::pin::pin!(handle.hung_up());
    for event_loop in [other.handle(), &here, other.handle()] {
        assert!(poll_once(hung_up.as_mut()).await.is_pending());
        let _context = event_loop.enter();
        handle.change_event_loop().unwrap();
    }
    assert!(poll_once(hung_up.as_mut()).await.is_pending());
    drop(client);
    hung_up.await;
    other.shutdown_background();
}

/// Polls a future once, and returns what it answers.
async fn poll_once(mut future: Pin<&mut impl Future<Output = ()>>) -> Poll<()> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}
