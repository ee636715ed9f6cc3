namespace AuthSidecar.Common;

/// <summary>Wakes one waiter that there is something to do. Given several times before that, it wakes it once.</summary>
internal sealed class Signal(TimeProvider time)
{
    private TaskCompletionSource _given = NewSource();

    public void Give() => Volatile.Read(ref _given).TrySetResult();

    /// <summary>Waits until it is given, and takes it: what it was given for is to be looked at after that.</summary>
    /// <param name="most">For how long at most; null: without end.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task WaitAsync(TimeSpan? most, CancellationToken cancellation)
    {
        var given = Volatile.Read(ref _given).Task;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await Task.WhenAny(given, Task.Delay(most ?? Timeout.InfiniteTimeSpan, time, ending.Token));
        await ending.CancelAsync();
        cancellation.ThrowIfCancellationRequested();
        if (given.IsCompleted)
        {
            Volatile.Write(ref _given, NewSource());
        }
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
