using AuthSidecar.Api.Calls;
using AuthSidecar.Cedar;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.Tests.Api.Calls;

public sealed class MismatchLogTests
{
    [Fact]
    public void Note_ManyRequests_LogsOneAMinute()
    {
        var (time, logger) = (new FakeTimeProvider(), new FakeLogger<MismatchLog>());
        var log = new MismatchLog(time, logger);
        for (var second = 0; second < 150; second++)
        {
            log.Note(new EntityUid("Action", "read"), "the context: attribute `foo` is not declared");
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(
            [1, 61, 121],
            logger.Collector.GetSnapshot().Select(r => int.Parse(r.Message.Split('(')[1].Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture)));
    }
}
