import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;

/** Sends a file three times with the client that Java has, as it is by default, and prints status and length. */
public class Ask {
    public static void main(String[] given) throws Exception {
        var client = HttpClient.newHttpClient();
        for (int time = 0; time < 3; time++) {
            var body = HttpRequest.BodyPublishers.ofFile(Path.of(given[1]));
            var request = HttpRequest.newBuilder(URI.create(given[0])).POST(body).build();
            var answer = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
            System.out.println(answer.statusCode() + " " + answer.body().length);
        }
    }
}
