namespace AuthSidecar.Common;

/// <summary>An auto-reset event for one asynchronous waiter. Signals before the waiter runs are coalesced.</summary>
internal sealed class Signal(TimeProvider time)
{
    private TaskCompletionSource _given = NewSource();

    /// <summary>Sets the event.</summary>
    public void Give() => Volatile.Read(ref _given).TrySetResult();

    /// <summary>Waits until the event is set or the timeout expires, and resets it.</summary>
    /// <param name="most">The timeout; null: none.</param>
    /// <param name="cancellation">Cancels the wait.</param>
    public async Task WaitAsync(TimeSpan? most, CancellationToken cancellation)
    {
        var given = Volatile.Read(ref _given).Task;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await Task.WhenAny(given, Task.Delay(most ?? Timeout.InfiniteTimeSpan, time, ending.Token));
        await ending.CancelAsync();
        cancellation.ThrowIfCancellationRequested();
        if (given.IsCompleted)
            Volatile.Write(ref _given, NewSource());
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
