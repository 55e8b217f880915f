import org.apache.solr.embedded.JettyConfig;
import org.apache.solr.embedded.JettySolrRunner;
import java.util.Properties;

/** A Solr server on loopback for a CKAN: java -cp "lib/*" Solr.java SOLR_HOME PORT. Ends with its standard input. */
public class Solr {
    public static void main(String[] arguments) throws Exception {
        JettyConfig config = JettyConfig.builder().setContext("/solr").setPort(Integer.parseInt(arguments[1])).build();
        JettySolrRunner solr = new JettySolrRunner(arguments[0], new Properties(), config);
        solr.start();
        System.out.println("ready on port " + solr.getLocalPort());
        while (System.in.read() >= 0) { }
        solr.stop();
    }
}
