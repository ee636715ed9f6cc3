using Microsoft.Extensions.Internal;

namespace AuthSidecar.Common;

/// <summary>Lets a memory cache expire by the clock that everything else goes by.</summary>
internal sealed class MemoryCacheClock(TimeProvider time) : ISystemClock
{
    public DateTimeOffset UtcNow => time.GetUtcNow();
}
