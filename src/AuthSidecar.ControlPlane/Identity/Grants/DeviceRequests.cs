using Microsoft.AspNetCore;
using Microsoft.Extensions.Caching.Memory;

namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>What RFC 8628 asks for and the framework does not do: a device that polls more often than it may is told to slow down (section
/// 3.5), and its user sees where the request came from (section 5.4). Who polls is remembered by each node for itself.</summary>
internal sealed class DeviceRequests(TimeProvider time) :
    IOpenIddictServerHandler<ProcessSignInContext>,
    IOpenIddictServerHandler<ApplyDeviceAuthorizationResponseContext>,
    IOpenIddictServerHandler<ApplyTokenResponseContext>,
    IDisposable
{
    /// <summary>The claim of a user code that says where the device asked from.</summary>
    public const string AddressClaim = "device_address";

    private const int IntervalSeconds = 5;
    private const int MaxDevices = 100_000;

    /// <summary>As long as a device code lives.</summary>
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(10);

    /// <summary>Networks are not punctual.</summary>
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(500);

    private readonly MemoryCache _polls = new(new MemoryCacheOptions { SizeLimit = MaxDevices, Clock = new MemoryCacheClock(time) });

    public ValueTask HandleAsync(ProcessSignInContext context)
    {
        if (context.EndpointType == OpenIddictServerEndpointType.DeviceAuthorization
            && context.Transaction.GetHttpRequest()?.HttpContext is { } http)
        {
            context.Principal?.SetClaim(AddressClaim, ClientAddress.Of(http));
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask HandleAsync(ApplyDeviceAuthorizationResponseContext context)
    {
        if (context.Response is { Error: null } response)
            response.SetParameter("interval", IntervalSeconds);

        return ValueTask.CompletedTask;
    }

    public ValueTask HandleAsync(ApplyTokenResponseContext context)
    {
        // Only for codes that there are: others are refused otherwise.
        if (context is { Response: { Error: Errors.AuthorizationPending } response, Request.DeviceCode: { } code }
            && !MayPoll(TextHash.Of(code)))
        {
            (response.Error, response.ErrorDescription) = (Errors.SlowDown,
                "polling too frequently: the interval is increased by 5 seconds");
        }

        return ValueTask.CompletedTask;
    }

    public void Dispose() => _polls.Dispose();

    private bool MayPoll(string code)
    {
        var polls = _polls.GetOrCreate(code, entry =>
        {
            (entry.Size, entry.AbsoluteExpirationRelativeToNow) = (1, Memory);
            return new Polls();
        })!;
        lock (polls)
        {
            var mayPoll = polls.Last is not { } last || time.GetElapsedTime(last) >= TimeSpan.FromSeconds(polls.Interval) - Tolerance;
            polls.Last = time.GetTimestamp();
            polls.Interval += mayPoll ? 0 : IntervalSeconds;
            return mayPoll;
        }
    }

    private sealed class Polls
    {
        public int Interval { get; set; } = IntervalSeconds;
        public long? Last { get; set; }
    }
}
